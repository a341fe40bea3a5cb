// How a component's pattern becomes a list of parts, a regular expression, and
// a pattern again.

// What delimits a segment wildcard, and what may stand before one as its prefix.
const plain = { delimiter: '', prefix: '' };
const dotted = { delimiter: '.', prefix: '' };
const slashed = { delimiter: '/', prefix: '/' };

const escapeRegExp = (text) => text.replace(/[.+*?^${}()[\]|/\\]/g, '\\$&');
const escapePattern = (text) => text.replace(/[+*?:{}()\\]/g, '\\$&');
const segment = (style) => `[^${escapeRegExp(style.delimiter)}]+?`;
const isDigit = (c) => c >= '0' && c <= '9';
const firstOf = (text) => Array.from(text.slice(0, 2))[0] ?? '';

// partsOf parses a component's pattern: {type, value, modifier, name, prefix,
// suffix} each, of type fixed, regexp, segment or full.
function partsOf(pattern, canonicalize, style) {
  const tokens = tokenize(Array.from(pattern), false);
  const parts = [];
  const names = new Set();
  let at = 0;
  let fixed = '';
  let numbered = 0;
  const take = (type) => (tokens[at].type === type ? tokens[at++] : null);
  const must = (type) => {
    if (take(type) === null) {
      throw new TypeError(`URLPattern: unexpected ${shared.stringify(tokens[at].value)} at ${tokens[at].index} in ${shared.stringify(pattern.slice(0, 200))}`);
    }
  };
  const takeGroup = (name) => take('regexp') ?? (name === null ? take('asterisk') : null);
  const takeModifier = () => (take('other-modifier') ?? take('asterisk'))?.value ?? '';
  const takeText = () => {
    let text = '';
    for (let t; (t = take('char') ?? take('escaped-char')) !== null;) text += t.value;
    return text;
  };
  const flush = () => {
    if (fixed === '') return;
    parts.push({ type: 'fixed', value: canonicalize(fixed), modifier: '', name: '', prefix: '', suffix: '' });
    fixed = '';
  };
  const add = (prefix, name, group, suffix, modifier) => {
    if (name === null && group === null && modifier === '') {
      fixed += prefix;
      return;
    }
    flush();
    if (name === null && group === null) {
      if (prefix !== '') parts.push({ type: 'fixed', value: canonicalize(prefix), modifier, name: '', prefix: '', suffix: '' });
      return;
    }
    const text = group === null ? segment(style) : group.type === 'asterisk' ? '.*' : group.value;
    const type = text === segment(style) ? 'segment' : text === '.*' ? 'full' : 'regexp';
    const label = name !== null ? name.value : `${numbered++}`;
    if (names.has(label)) throw new TypeError(`URLPattern: two groups have the name ${label}`);
    names.add(label);
    parts.push({
      type, value: type === 'regexp' ? text : '', modifier, name: label, prefix: canonicalize(prefix), suffix: canonicalize(suffix),
    });
  };
  while (at < tokens.length) {
    const char = take('char');
    let name = take('name');
    let group = takeGroup(name);
    if (name !== null || group !== null) {
      let prefix = char?.value ?? '';
      if (prefix !== '' && prefix !== style.prefix) {
        fixed += prefix;
        prefix = '';
      }
      flush();
      add(prefix, name, group, '', takeModifier());
      continue;
    }
    const text = char ?? take('escaped-char');
    if (text !== null) {
      fixed += text.value;
      continue;
    }
    if (take('open') !== null) {
      const prefix = takeText();
      name = take('name');
      group = takeGroup(name);
      const suffix = takeText();
      must('close');
      add(prefix, name, group, suffix, takeModifier());
      continue;
    }
    flush();
    must('end');
  }
  return parts;
}

// expression is the source of the regular expression that parts match.
function expression(parts, style) {
  let out = '^';
  for (const { type, value, modifier, prefix, suffix } of parts) {
    if (type === 'fixed') {
      out += modifier === '' ? escapeRegExp(value) : `(?:${escapeRegExp(value)})${modifier}`;
      continue;
    }
    const inner = type === 'segment' ? segment(style) : type === 'full' ? '.*' : value;
    const before = escapeRegExp(prefix);
    const after = escapeRegExp(suffix);
    const once = modifier === '' || modifier === '?';
    if (prefix === '' && suffix === '') out += once ? `(${inner})${modifier}` : `((?:${inner})${modifier})`;
    else if (once) out += `(?:${before}(${inner})${after})${modifier}`;
    else out += `(?:${before}((?:${inner})(?:${after}${before}(?:${inner}))*)${after})${modifier === '*' ? '?' : ''}`;
  }
  return out + '$';
}

// patternOf is the pattern that parts came from, in its canonical form.
function patternOf(parts, style) {
  let out = '';
  for (let i = 0; i < parts.length; i++) {
    const { type, value, modifier, name, prefix, suffix } = parts[i];
    const previous = parts[i - 1];
    const next = parts[i + 1];
    if (type === 'fixed') {
      out += modifier === '' ? escapePattern(value) : `{${escapePattern(value)}}${modifier}`;
      continue;
    }
    const named = !isDigit(name[0]);
    let grouped = suffix !== '' || (prefix !== '' && prefix !== style.prefix);
    if (!grouped && named && type === 'segment' && modifier === '' && next !== undefined && next.prefix === '' && next.suffix === '') {
      grouped = next.type === 'fixed' ? nameRest.test(firstOf(next.value)) : isDigit(next.name[0]);
    }
    if (!grouped && prefix === '' && previous?.type === 'fixed' && style.prefix !== '' && previous.value.endsWith(style.prefix)) grouped = true;
    out += (grouped ? '{' : '') + escapePattern(prefix) + (named ? ':' + name : '');
    if (type === 'regexp') out += `(${value})`;
    else if (type === 'segment') out += named ? '' : `(${segment(style)})`;
    else if (!named && (previous === undefined || previous.type === 'fixed' || previous.modifier !== '' || grouped || prefix !== '')) out += '*';
    else out += '(.*)';
    if (type === 'segment' && named && suffix !== '' && nameRest.test(firstOf(suffix))) out += '\\';
    out += escapePattern(suffix) + (grouped ? '}' : '') + modifier;
  }
  return out;
}

const RegExpClass = RegExp;
const regexpExec = RegExp.prototype.exec;
const exec = (regexp, text) => Reflect.apply(regexpExec, regexp, [text]);

// compile makes a component of its pattern. Most patterns leave most components
// to a lone wildcard, which matches everything.
function compile(pattern, canonicalize, style, caseless) {
  if (pattern === '*') return anything;
  const parts = partsOf(pattern, canonicalize, style);
  let regexp;
  try {
    regexp = new RegExpClass(expression(parts, style), caseless ? 'vi' : 'v');
  } catch (e) {
    throw new TypeError(`URLPattern: not a regular expression in ${shared.stringify(pattern.slice(0, 200))}: ${e.message}`);
  }
  return {
    regexp, names: parts.filter((p) => p.type !== 'fixed').map((p) => p.name), text: patternOf(parts, style),
    hasRegExpGroups: parts.some((p) => p.type === 'regexp'),
  };
}
const anything = { regexp: /^(.*)$/v, names: ['0'], text: '*', hasRegExpGroups: false };

const ports = { __proto__: null, http: '80', https: '443', ws: '80', wss: '443', ftp: '21', file: '' };
const matchesSpecial = (component) => Object.keys(ports).some((scheme) => exec(component.regexp, scheme) !== null);
