// URLPattern, after the URL Pattern Standard: the class, and how a pattern's
// parts are put together. Matching is the engine's own RegExp's work, which the
// invocation's deadline interrupts.

const components = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
const members = ['baseURL', 'hash', 'hostname', 'password', 'pathname', 'port', 'protocol', 'search', 'username'];

// initOf reads a URLPatternInit.
function initOf(value) {
  const init = { __proto__: null };
  for (const name of members) {
    const v = value?.[name];
    if (v !== undefined) init[name] = `${v}`.toWellFormed();
  }
  return init;
}
const isText = (value) => value !== null && value !== undefined && typeof value !== 'object' && typeof value !== 'function';

// processed is an init with its components made canonical, or for a pattern as
// they are, and with what the base URL gives.
function processed(init, isPattern) {
  const out = { __proto__: null };
  const lacks = (...names) => names.every((name) => init[name] === undefined);
  const inherited = (text) => (isPattern ? escapePattern(text) : text);
  let base = null;
  if (init.baseURL !== undefined) {
    base = web('url.parse', init.baseURL);
    if (lacks('protocol')) out.protocol = inherited(base.protocol.slice(0, -1));
    if (!isPattern && lacks('protocol', 'hostname', 'port', 'username')) out.username = base.username;
    if (!isPattern && lacks('protocol', 'hostname', 'port', 'username', 'password')) out.password = base.password;
    if (lacks('protocol', 'hostname')) out.hostname = inherited(base.hostname);
    if (lacks('protocol', 'hostname', 'port')) out.port = base.port;
    if (lacks('protocol', 'hostname', 'port', 'pathname')) out.pathname = inherited(base.pathname);
    if (lacks('protocol', 'hostname', 'port', 'pathname', 'search')) out.search = inherited(base.search.slice(1));
    if (lacks('protocol', 'hostname', 'port', 'pathname', 'search', 'hash')) out.hash = inherited(base.hash.slice(1));
  }
  if (init.protocol !== undefined) {
    const name = init.protocol.endsWith(':') ? init.protocol.slice(0, -1) : init.protocol;
    out.protocol = isPattern ? name : canonical.protocol(name);
  }
  for (const name of ['username', 'password', 'hostname']) {
    if (init[name] !== undefined) out[name] = isPattern ? init[name] : canonical[name](init[name]);
  }
  const protocol = out.protocol ?? '';
  if (init.port !== undefined) out.port = isPattern ? init.port : canonical.port(init.port, protocol);
  if (init.pathname !== undefined) {
    let path = init.pathname;
    if (base !== null && base.pathname[0] === '/' && !isAbsolute(path, isPattern)) {
      const from = inherited(base.pathname);
      path = from.slice(0, from.lastIndexOf('/') + 1) + path;
    }
    out.pathname = isPattern ? path : (protocol === '' || protocol in ports ? canonical.pathname : canonical.opaque)(path);
  }
  for (const [name, mark] of [['search', '?'], ['hash', '#']]) {
    if (init[name] === undefined) continue;
    const text = init[name][0] === mark ? init[name].slice(1) : init[name];
    out[name] = isPattern ? text : canonical[name](text);
  }
  return out;
}
const isAbsolute = (path, isPattern) => path[0] === '/' || (isPattern && (path.startsWith('\\/') || path.startsWith('{/')));

class URLPattern {
  #parts = { __proto__: null };
  constructor(input, base, options) {
    if (base !== undefined && !isText(base)) [base, options] = [undefined, base];
    const caseless = Boolean(options?.ignoreCase);
    let init;
    if (isText(input)) {
      init = parseConstructorString(`${input}`.toWellFormed());
      if (base === undefined && init.protocol === undefined) throw new TypeError('URLPattern: a relative pattern needs a base URL');
      if (base !== undefined) init.baseURL = `${base}`.toWellFormed();
    } else {
      if (base !== undefined) throw new TypeError('URLPattern: a base URL goes with a string; an object has it as baseURL');
      init = initOf(input);
    }
    const text = processed(init, true);
    for (const name of components) text[name] ??= '*';
    if (text.protocol in ports && text.port === ports[text.protocol]) text.port = '';
    const parts = this.#parts;
    for (const name of ['protocol', 'username', 'password', 'port']) parts[name] = compile(text[name], canonical[name], plain, false);
    parts.hostname = compile(text.hostname, isIPv6(text.hostname) ? canonical.ipv6 : canonical.hostname, dotted, false);
    parts.pathname = matchesSpecial(parts.protocol) ? compile(text.pathname, canonical.pathname, slashed, caseless)
      : compile(text.pathname, canonical.opaque, plain, caseless);
    for (const name of ['search', 'hash']) parts[name] = compile(text[name], canonical[name], plain, caseless);
  }
  #match(input, base) {
    const inputs = [];
    let url;
    if (isText(input)) {
      inputs.push(`${input}`.toWellFormed());
      if (base !== undefined) inputs.push(`${base}`.toWellFormed());
      try { url = web('url.parse', ...inputs); } catch { return null; }
      url.protocol = url.protocol.slice(0, -1);
      url.search = url.search.slice(1);
      url.hash = url.hash.slice(1);
    } else {
      if (base !== undefined) throw new TypeError('URLPattern: a base URL goes with a string; an object has it as baseURL');
      const init = initOf(input);
      inputs.push({ ...init });
      try { url = processed(init, false); } catch { return null; }
    }
    const result = { inputs };
    for (const name of components) {
      const text = url[name] ?? '';
      const { regexp, names } = this.#parts[name];
      const found = exec(regexp, text);
      if (found === null) return null;
      const groups = {};
      for (let i = 0; i < names.length; i++) {
        Object.defineProperty(groups, names[i], { __proto__: null, value: found[i + 1], writable: true, enumerable: true, configurable: true });
      }
      result[name] = { input: text, groups };
    }
    return result;
  }
  test(input, base) { return this.#match(input, base) !== null; }
  exec(input, base) { return this.#match(input, base); }
  get protocol() { return this.#parts.protocol.text; }
  get username() { return this.#parts.username.text; }
  get password() { return this.#parts.password.text; }
  get hostname() { return this.#parts.hostname.text; }
  get port() { return this.#parts.port.text; }
  get pathname() { return this.#parts.pathname.text; }
  get search() { return this.#parts.search.text; }
  get hash() { return this.#parts.hash.text; }
  get hasRegExpGroups() { return components.some((name) => this.#parts[name].hasRegExpGroups); }
}

return tagged({ __proto__: null, URLPattern });
