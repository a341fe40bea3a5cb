// How a pattern for a whole URL, as one string, is cut into its components.

function parseConstructorString(input) {
  const chars = Array.from(input);
  const tokens = tokenize(chars, true);
  const result = { __proto__: null };
  let state = 'init';
  let start = 0; // of the component, a token
  let at = 0;
  let step = 1;
  let depth = 0; // of groups
  let brackets = 0;
  let special = false; // the protocol matches a special scheme

  const isChar = (i, value) => {
    const t = tokens[Math.min(i, tokens.length - 1)];
    return t.value === value && (t.type === 'char' || t.type === 'escaped-char' || t.type === 'invalid-char');
  };
  const is = (value) => isChar(at, value);
  const isSearch = () => {
    if (is('?')) return true;
    if (tokens[at].value !== '?') return false;
    // Behind one of these it is a modifier.
    return at === 0 || !['name', 'regexp', 'close', 'asterisk'].includes(tokens[at - 1].type);
  };
  const componentText = () => chars.slice(tokens[start].index, tokens[at].index).join('');
  const order = ['init', 'protocol', 'authority', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash', 'done'];
  const change = (next, skip) => {
    if (state !== 'init' && state !== 'authority') result[state] = componentText();
    if (state !== 'init' && next !== 'done') {
      // A component that lies between and was not named is empty.
      const from = order.indexOf(state);
      const to = order.indexOf(next);
      if (from < 5 && to > 5) result.hostname ??= '';
      if (from < 7 && to > 7) result.pathname ??= special ? '/' : '';
      if (from < 8 && to > 8) result.search ??= '';
    }
    state = next;
    at += skip;
    start = at;
    step = 0;
  };
  const rewind = (next) => {
    at = start;
    step = 0;
    if (next !== undefined) state = next;
  };
  // advance leaves a component for one that comes behind it.
  const advance = (path, search) => {
    if (path && is('/')) change('pathname', 0);
    else if (search && isSearch()) change('search', 1);
    else if (is('#')) change('hash', 1);
  };
  const states = {
    __proto__: null,
    init() { if (is(':')) rewind('protocol'); },
    protocol() {
      if (!is(':')) return;
      special = matchesSpecial(compile(componentText(), canonical.protocol, plain, false));
      if (isChar(at + 1, '/') && isChar(at + 2, '/')) change('authority', 3);
      else change(special ? 'authority' : 'pathname', 1);
    },
    authority() {
      if (is('@')) rewind('username');
      else if (is('/') || isSearch() || is('#')) rewind('hostname');
    },
    username() {
      if (is(':')) change('password', 1);
      else if (is('@')) change('hostname', 1);
    },
    password() { if (is('@')) change('hostname', 1); },
    hostname() {
      if (is('[')) brackets++;
      else if (is(']')) brackets--;
      else if (is(':') && brackets === 0) change('port', 1);
      else advance(true, true);
    },
    port() { advance(true, true); },
    pathname() { advance(false, true); },
    search() { advance(false, false); },
    hash() {},
  };
  for (; at < tokens.length; at += step) {
    step = 1;
    const { type } = tokens[at];
    if (type === 'end') {
      if (state === 'init') {
        rewind();
        if (is('#')) change('hash', 1);
        else if (isSearch()) change('search', 1);
        else change('pathname', 0);
      } else if (state === 'authority') {
        rewind('hostname');
      } else {
        change('done', 0);
        break;
      }
      continue;
    }
    if (type === 'open') {
      depth++;
      continue;
    }
    if (depth > 0) {
      if (type !== 'close') continue;
      depth--;
    }
    states[state]();
  }
  if (result.hostname !== undefined) result.port ??= '';
  return result;
}
