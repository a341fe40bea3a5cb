// The bridge between a function and the Go code around its instance, and the
// globals that the language itself lacks. It runs once, before any tenant
// code, and ends in every snapshot. It keeps its own references to everything
// that it uses, so that a script which redefines Promise or JSON changes what
// its own code sees and nothing here.
//
// It returns what Go calls; host is what it calls of Go.
(function (host) {
  'use strict';

  const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
  const { parse, stringify } = JSON;
  const { create, freeze, getPrototypeOf, prototype: ObjectPrototype } = Object;
  const { isArray } = Array;
  const { isInteger } = Number;
  const PromiseClass = Promise;
  const promiseThen = Promise.prototype.then;
  const ErrorClass = Error;
  const MapClass = Map;
  const mapGet = Map.prototype.get;
  const mapSet = Map.prototype.set;
  const mapDelete = Map.prototype.delete;
  const mapEntries = Map.prototype.entries;
  const mapNext = getPrototypeOf(new Map().entries()).next;
  const setValues = Set.prototype.values;
  const setNext = getPrototypeOf(new Set().values()).next;
  const mapSize = getOwnPropertyDescriptor(Map.prototype, 'size').get;
  const setSize = getOwnPropertyDescriptor(Set.prototype, 'size').get;
  const toText = String;
  const toNumber = Number;
  const { slice, indexOf, split, charCodeAt, toLowerCase, trim } = String.prototype;
  const { toISOString, getTime } = Date.prototype;
  const functionToString = Function.prototype.toString;
  const regexpToString = RegExp.prototype.toString;
  const symbolToString = Symbol.prototype.toString;
  const { floor } = Math;
  const iteratorSymbol = Symbol.iterator;
  const tagSymbol = Symbol.toStringTag;

  // What host's first argument means. Kept equal to the list in bridge.go.
  const CALL = 0, CALL_SYNC = 1, LOG = 2, TIMER = 3, CLEAR = 4, NOW = 5, TEXT = 6;

  const hide = (target, name, value) =>
    defineProperty(target, name, { __proto__: null, value, writable: true, configurable: true, enumerable: false });

  // ---- errors ----

  // PermissionError is what a host call throws when the policy denies it.
  class PermissionError extends ErrorClass {}
  hide(PermissionError.prototype, 'name', 'PermissionError');
  hide(globalThis, 'PermissionError', PermissionError);

  const errorClasses = {
    __proto__: null,
    Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, PermissionError,
  };

  // frames keeps the lines of a stack that are not the bridge's.
  function frames(stack) {
    if (typeof stack !== 'string') return '';
    let out = '';
    for (let rest = stack; rest !== '';) {
      const end = apply(indexOf, rest, ['\n']);
      const line = end < 0 ? rest : apply(slice, rest, [0, end]);
      rest = end < 0 ? '' : apply(slice, rest, [end + 1]);
      const text = apply(trim, line, []);
      if (text === '' || apply(indexOf, text, ['<bulkhead>']) >= 0) continue;
      out += out === '' ? text : '\n' + text;
    }
    return out;
  }

  // failure describes a thrown value for Go. It must work on anything.
  function failure(thrown, depth) {
    const out = { __proto__: null, name: 'Error', message: '', stack: '' };
    try {
      if (typeof thrown === 'object' && thrown !== null && isError(thrown)) {
        out.name = clip(toText(thrown.name), 256);
        out.message = clip(toText(thrown.message), 16384);
        out.stack = clip(frames(thrown.stack), 16384);
        if (depth < 8 && 'cause' in thrown && thrown.cause !== undefined) {
          out.cause = failure(thrown.cause, depth + 1);
        }
      } else {
        out.name = 'Thrown';
        out.message = clip(typeof thrown === 'string' ? thrown : inspect(thrown), 16384);
      }
    } catch {
      // A getter or toString threw: what has been read is what there is.
    }
    return out;
  }

  function isError(value) {
    for (let p = value, n = 0; p !== null && n < 64; p = getPrototypeOf(p), n++) {
      if (p === ErrorClass.prototype) return true;
    }
    return false;
  }

  const clip = (text, most) => (text.length > most ? apply(slice, text, [0, most]) + '…' : text);

  // exception makes the Error that stands for a host call's failure.
  function exception(failed, site) {
    const Class = errorClasses[failed.name] ?? ErrorClass;
    const e = new Class(failed.message);
    if (e.name !== failed.name) hide(e, 'name', failed.name);
    if (failed.properties) {
      const keys = ownKeys(failed.properties);
      for (let i = 0; i < keys.length; i++) {
        if (keys[i] === '__proto__' || keys[i] === 'stack') continue;
        defineProperty(e, keys[i], {
          __proto__: null, value: failed.properties[keys[i]], writable: true, configurable: true, enumerable: true,
        });
      }
    }
    if (site !== undefined) hide(e, 'stack', site);
    return e;
  }

  // ---- host calls ----

  // live is false while the top level runs: what it does ends in the snapshot
  // of every later invocation, and an effect cannot.
  let live = false;
  let outstanding = new MapClass();
  let lastCall = 0;

  function needLive(what) {
    if (!live) throw new ErrorClass(what + ' cannot be used at top level: call it from the function');
  }

  // encode turns arguments into a JSON array. Trailing undefined is dropped,
  // so that Go sees a missing argument.
  function encode(args) {
    let n = args.length;
    while (n > 0 && args[n - 1] === undefined) n--;
    let out = '[';
    for (let i = 0; i < n; i++) {
      out += (i > 0 ? ',' : '') + (stringify(args[i]) ?? 'null');
    }
    return out + ']';
  }

  // [0, value], [1, failure] or [0] for undefined.
  const open = (answer, site) => {
    if (answer[0] === 0) return answer[1];
    throw exception(answer[1], site);
  };

  function hostCall(index, args, name) {
    needLive(name);
    const json = encode(args);
    const id = ++lastCall;
    const site = new ErrorClass().stack;
    return new PromiseClass((resolve, reject) => {
      apply(mapSet, outstanding, [id, { __proto__: null, resolve, reject, site }]);
      host(CALL, index, id, json);
    });
  }

  function hostCallSync(index, args, name) {
    needLive(name);
    const json = encode(args);
    return open(host(CALL_SYNC, index, ++lastCall, json));
  }

  // settle is called by Go with a host call's answer.
  function settle(id, answer) {
    const call = apply(mapGet, outstanding, [id]);
    if (call === undefined) return;
    apply(mapDelete, outstanding, [id]);
    if (answer[0] === 0) call.resolve(plain(answer[1]));
    else call.reject(exception(answer[1], call.site));
  }

  // plain shields a host call's result from Object.prototype.then: resolve()
  // would take an object for a promise.
  function plain(value) {
    if (typeof value === 'object' && value !== null && !('then' in value)) return value;
    if (typeof value === 'object' && value !== null) {
      defineProperty(value, 'then', { __proto__: null, value: undefined, writable: true, configurable: true, enumerable: false });
    }
    return value;
  }

  // ---- timers ----

  let timers = new MapClass();
  let lastTimer = 0;

  function startTimer(callback, delay, args, repeat) {
    if (typeof callback !== 'function') throw new TypeError('the callback must be a function');
    needLive(repeat ? 'setInterval' : 'setTimeout');
    let ms = floor(toNumber(delay));
    if (!(ms >= 1)) ms = 1;
    if (ms > 2147483647) ms = 1;
    const id = ++lastTimer;
    if (host(TIMER, id, ms, repeat ? 1 : 0) !== true) {
      throw new RangeError('too many timers: an invocation may have 10,000 at once');
    }
    apply(mapSet, timers, [id, { __proto__: null, callback, args, repeat }]);
    return id;
  }

  function clearTimer(id) {
    if (apply(mapDelete, timers, [id])) host(CLEAR, id);
  }

  // timer is called by Go when a timer is due.
  function timer(id) {
    const t = apply(mapGet, timers, [id]);
    if (t === undefined) return;
    if (!t.repeat) apply(mapDelete, timers, [id]);
    apply(t.callback, undefined, t.args);
  }

  hide(globalThis, 'setTimeout', function setTimeout(callback, delay, ...args) { return startTimer(callback, delay, args, false); });
  hide(globalThis, 'setInterval', function setInterval(callback, delay, ...args) { return startTimer(callback, delay, args, true); });
  hide(globalThis, 'clearTimeout', function clearTimeout(id) { clearTimer(id); });
  hide(globalThis, 'clearInterval', function clearInterval(id) { clearTimer(id); });

  // ---- console ----

  const quote = (text) => stringify(text);

  // inspect shows a value as source text would. It runs no getter.
  function inspect(value, depth = 0, seen = []) {
    switch (typeof value) {
      case 'string': return quote(value);
      case 'bigint': return toText(value) + 'n';
      case 'symbol': return apply(symbolToString, value, []);
      case 'function': {
        const name = getOwnPropertyDescriptor(value, 'name')?.value;
        const isClass = apply(indexOf, apply(functionToString, value, []), ['class']) === 0;
        return '[' + (isClass ? 'class' : 'function') + (typeof name === 'string' && name !== '' ? ' ' + name : '') + ']';
      }
      case 'number': return value === 0 && 1 / value < 0 ? '-0' : toText(value);
      case 'object': break;
      default: return toText(value);
    }
    if (value === null) return 'null';
    for (let i = 0; i < seen.length; i++) if (seen[i] === value) return '[Circular]';
    if (isError(value)) {
      const stack = frames(getOwnPropertyDescriptor(value, 'stack')?.value);
      return toText(value) + (stack === '' ? '' : '\n    ' + stack);
    }
    if (isArray(value) && depth > 4) return '[Array]';
    if (depth > 4) return '[Object]';
    seen[seen.length] = value;
    const text = inspectObject(value, depth, seen);
    seen.length--;
    return text;
  }

  const brand = (method, value) => {
    try { return apply(method, value, []); } catch { return undefined; }
  };

  function inspectObject(value, depth, seen) {
    const time = brand(getTime, value);
    if (time !== undefined) return time === time ? apply(toISOString, value, []) : 'Invalid Date';
    if (value instanceof RegExp) return brand(regexpToString, value) ?? '[RegExp]';
    if (brand(mapSize, value) !== undefined) {
      return 'Map(' + brand(mapSize, value) + ') {' + list(apply(mapEntries, value, []), mapNext,
        (e) => inspect(e[0], depth + 1, seen) + ' => ' + inspect(e[1], depth + 1, seen)) + '}';
    }
    if (brand(setSize, value) !== undefined) {
      return 'Set(' + brand(setSize, value) + ') {' + list(apply(setValues, value, []), setNext,
        (e) => inspect(e, depth + 1, seen)) + '}';
    }
    const keys = ownKeys(value);
    const array = isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
    let out = '';
    let n = 0;
    for (let i = 0; i < keys.length; i++) {
      const d = getOwnPropertyDescriptor(value, keys[i]);
      if (d === undefined || !d.enumerable) continue;
      if (++n > 100) { out += ', …'; break; }
      const shown = 'value' in d ? inspect(d.value, depth + 1, seen) : d.get ? '[Getter]' : '[Setter]';
      const isIndex = array && typeof keys[i] === 'string' && isInteger(toNumber(keys[i]));
      out += (n > 1 ? ', ' : '') + (isIndex ? '' : key(keys[i]) + ': ') + shown;
    }
    const name = className(value);
    if (array) return (name === 'Array' ? '' : name + ' ') + '[' + (n ? ' ' + out + ' ' : '') + ']';
    return (name === 'Object' ? '' : name + ' ') + '{' + (n ? ' ' + out + ' ' : '') + '}';
  }

  function list(iterator, next, show) {
    let out = '';
    for (let n = 0; ; n++) {
      const step = apply(next, iterator, []);
      if (step.done) return out === '' ? '' : out + ' ';
      if (n === 100) return out + ', … ';
      out += (n ? ', ' : ' ') + show(step.value);
    }
  }

  const key = (k) => (typeof k === 'symbol' ? '[' + apply(symbolToString, k, []) + ']' : isName(k) ? k : quote(k));

  function isName(text) {
    for (let i = 0; i < text.length; i++) {
      const c = apply(charCodeAt, text, [i]);
      const letter = (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c === 36;
      if (!letter && !(i > 0 && c >= 48 && c <= 57)) return false;
    }
    return text !== '';
  }

  function className(value) {
    const proto = getPrototypeOf(value);
    if (proto === null) return '[null prototype]';
    const name = getOwnPropertyDescriptor(getOwnPropertyDescriptor(proto, 'constructor')?.value ?? {}, 'name')?.value;
    return typeof name === 'string' && name !== '' ? name : 'Object';
  }

  // format joins console arguments, with the % forms of the Console Standard.
  function format(args) {
    let out = '';
    let next = 0;
    if (typeof args[0] === 'string' && args.length > 1) {
      const parts = apply(split, args[0], ['%']);
      out = parts[0];
      next = 1;
      for (let i = 1; i < parts.length; i++) {
        const part = parts[i];
        const verb = part[0];
        if (part === '' && i + 1 < parts.length) {
          out += '%' + parts[++i];
          continue;
        }
        const shown = next < args.length ? substitute(verb, args[next]) : undefined;
        if (shown === undefined) out += '%' + part;
        else {
          next++;
          out += shown + apply(slice, part, [1]);
        }
      }
    }
    for (let i = next; i < args.length; i++) {
      out += (i > 0 ? ' ' : '') + (typeof args[i] === 'string' ? args[i] : inspect(args[i]));
    }
    return out;
  }

  function substitute(verb, value) {
    switch (verb) {
      case 's': return typeof value === 'string' ? value : inspect(value);
      case 'd': case 'i': {
        const n = typeof value === 'symbol' || typeof value === 'object' ? NaN : toNumber(value);
        return toText(verb === 'i' && n === n ? (n < 0 ? -floor(-n) : floor(n)) : n);
      }
      case 'f': return typeof value === 'symbol' ? 'NaN' : toText(toNumber(value));
      case 'j': return stringify(value) ?? 'undefined';
      case 'o': case 'O': return inspect(value);
      case 'c': return '';
    }
    return undefined;
  }

  const DEBUG = 0, INFO = 1, WARN = 2, ERROR = 3;
  const counters = new MapClass();
  const stopwatches = new MapClass();
  let indent = '';
  const write = (level, args) => host(LOG, level, clip(indent + format(args), 16384));

  const console = {
    debug(...args) { write(DEBUG, args); },
    log(...args) { write(INFO, args); },
    info(...args) { write(INFO, args); },
    warn(...args) { write(WARN, args); },
    error(...args) { write(ERROR, args); },
    trace(...args) {
      const stack = frames(new ErrorClass().stack);
      write(DEBUG, ['Trace: ' + format(args) + (stack === '' ? '' : '\n    ' + stack)]);
    },
    dir(value) { write(INFO, [inspect(value)]); },
    assert(ok, ...args) {
      if (!ok) write(ERROR, ['Assertion failed' + (args.length ? ': ' + format(args) : '')]);
    },
    count(label = 'default') {
      const n = (apply(mapGet, counters, [label]) ?? 0) + 1;
      apply(mapSet, counters, [label, n]);
      write(INFO, [toText(label) + ': ' + n]);
    },
    countReset(label = 'default') { apply(mapDelete, counters, [label]); },
    time(label = 'default') { apply(mapSet, stopwatches, [label, host(NOW)]); },
    timeLog(label = 'default', ...args) {
      const start = apply(mapGet, stopwatches, [label]);
      if (start === undefined) return write(WARN, ["There is no timer '" + toText(label) + "'"]);
      write(INFO, [toText(label) + ': ' + (host(NOW) - start) + ' ms' + (args.length ? ' ' + format(args) : '')]);
    },
    timeEnd(label = 'default') {
      console.timeLog(label);
      apply(mapDelete, stopwatches, [label]);
    },
    group(...args) {
      if (args.length) write(INFO, args);
      if (indent.length < 64) indent += '  ';
    },
    groupEnd() { indent = apply(slice, indent, [2]); },
  };
  console.groupCollapsed = console.group;
  hide(console, tagSymbol, 'console');
  hide(globalThis, 'console', console);

  // ---- fetch ----

  // wrapFetch gives the host call named fetch the shape that people know.
  function wrapFetch(call) {
    return function fetch(resource, init) {
      let request;
      try {
        request = fetchRequest(resource, init);
      } catch (e) {
        return new PromiseClass((_, reject) => reject(e));
      }
      return apply(promiseThen, call(request.url, request.init), [fetched]);
    };
  }

  function fetchRequest(resource, init) {
    init = init ?? {};
    const out = { __proto__: null };
    if (init.method !== undefined) out.method = toText(init.method);
    if (init.redirect !== undefined) out.redirect = toText(init.redirect);
    if (init.headers !== undefined) out.headers = headerPairs(init.headers);
    if (init.body !== undefined && init.body !== null) {
      if (typeof init.body !== 'string') throw new TypeError('fetch: the body must be a string');
      out.body = init.body;
    }
    return { __proto__: null, url: toText(resource), init: out };
  }

  function headerPairs(headers) {
    const pairs = [];
    const add = (name, value) => { pairs[pairs.length] = [toText(name), toText(value)]; };
    if (headers instanceof Headers) {
      const own = pairsOf(headers);
      for (let i = 0; i < own.length; i++) add(own[i][0], own[i][1]);
    } else if (typeof headers?.[iteratorSymbol] === 'function') {
      for (const pair of headers) add(pair[0], pair[1]);
    } else {
      const keys = ownKeys(headers);
      for (let i = 0; i < keys.length; i++) add(keys[i], headers[keys[i]]);
    }
    return pairs;
  }

  class Headers {
    #pairs;
    constructor(init) { this.#pairs = init === undefined ? [] : headerPairs(init); }
    get(name) {
      const wanted = apply(toLowerCase, toText(name), []);
      let found = null;
      for (let i = 0; i < this.#pairs.length; i++) {
        if (apply(toLowerCase, this.#pairs[i][0], []) !== wanted) continue;
        found = found === null ? this.#pairs[i][1] : found + ', ' + this.#pairs[i][1];
      }
      return found;
    }
    has(name) { return this.get(name) !== null; }
    append(name, value) { this.#pairs[this.#pairs.length] = [toText(name), toText(value)]; }
    set(name, value) {
      this.delete(name);
      this.append(name, value);
    }
    delete(name) {
      const wanted = apply(toLowerCase, toText(name), []);
      const kept = [];
      for (let i = 0; i < this.#pairs.length; i++) {
        if (apply(toLowerCase, this.#pairs[i][0], []) !== wanted) kept[kept.length] = this.#pairs[i];
      }
      this.#pairs = kept;
    }
    forEach(callback) {
      for (let i = 0; i < this.#pairs.length; i++) callback(this.#pairs[i][1], apply(toLowerCase, this.#pairs[i][0], []), this);
    }
    *entries() {
      for (let i = 0; i < this.#pairs.length; i++) yield [apply(toLowerCase, this.#pairs[i][0], []), this.#pairs[i][1]];
    }
    *keys() { for (let i = 0; i < this.#pairs.length; i++) yield apply(toLowerCase, this.#pairs[i][0], []); }
    *values() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][1]; }
    [iteratorSymbol]() { return this.entries(); }
    static pairs(headers) { return #pairs in headers ? headers.#pairs : []; }
  }
  const pairsOf = Headers.pairs;
  delete Headers.pairs;
  hide(Headers.prototype, tagSymbol, 'Headers');
  hide(globalThis, 'Headers', Headers);

  // Body is what Request and Response share: a text that is read once.
  class Body {
    #text;
    #used = false;
    constructor(text) { this.#text = text; }
    get bodyUsed() { return this.#used; }
    async text() {
      if (this.#used) throw new TypeError('the body has been read already');
      this.#used = true;
      return this.#text;
    }
    async json() { return parse(await this.text()); }
    static take(body) { return #text in body ? body.#text : ''; }
  }
  const takeBody = Body.take;
  delete Body.take;

  const bodyText = (body, what) => {
    if (body === undefined || body === null) return '';
    if (typeof body === 'string') return body;
    throw new TypeError(what + ': the body must be a string');
  };

  class Request extends Body {
    constructor(url, init = {}) {
      super(bodyText(init.body, 'Request'));
      this.url = toText(url);
      this.method = init.method === undefined ? 'GET' : toText(init.method);
      this.headers = new Headers(init.headers);
    }
  }
  hide(Request.prototype, tagSymbol, 'Request');
  hide(globalThis, 'Request', Request);

  class Response extends Body {
    constructor(body, init = {}) {
      super(bodyText(body, 'Response'));
      this.status = init.status === undefined ? 200 : toNumber(init.status);
      if (!(isInteger(this.status) && this.status >= 200 && this.status <= 599)) {
        throw new RangeError('Response: the status must be from 200 to 599');
      }
      this.statusText = init.statusText === undefined ? '' : toText(init.statusText);
      this.headers = new Headers(init.headers);
      this.url = '';
      this.redirected = false;
    }
    get ok() { return this.status >= 200 && this.status <= 299; }
    static json(value, init = {}) {
      const response = new Response(stringify(value), init);
      if (!response.headers.has('content-type')) response.headers.set('content-type', 'application/json');
      return response;
    }
  }
  hide(Response.prototype, tagSymbol, 'Response');
  hide(globalThis, 'Response', Response);

  function fetched(answer) {
    const text = answer.bodyBase64 === undefined ? answer.body : host(TEXT, answer.bodyBase64);
    const response = new Response(text, { status: 200, statusText: answer.statusText, headers: answer.headers });
    response.status = answer.status;
    response.url = answer.url;
    response.redirected = answer.redirected;
    return response;
  }

  const wrappers = { __proto__: null, fetch: wrapFetch };

  // define makes the platform APIs globals: [[name, sync], ...], in the order
  // of the indexes that host calls carry. Called by Go before tenant code.
  function define(apis) {
    for (let i = 0; i < apis.length; i++) {
      const path = apply(split, apis[i][0], ['.']);
      const name = path[path.length - 1];
      let target = globalThis;
      for (let n = 0; n < path.length - 1; n++) {
        if (getOwnPropertyDescriptor(target, path[n]) === undefined) hide(target, path[n], create(ObjectPrototype));
        target = target[path[n]];
      }
      const call = apis[i][1] ? (...args) => hostCallSync(i, args, apis[i][0]) : (...args) => hostCall(i, args, apis[i][0]);
      defineProperty(call, 'name', { __proto__: null, value: name, configurable: true });
      hide(target, name, wrappers[apis[i][0]]?.(call) ?? call);
    }
  }

  // ---- invocation ----

  let handler;

  // answered turns the Response of a fetch handler into the invocation's value.
  function answered(response) {
    if (!(response instanceof Response)) throw new TypeError('the fetch handler must return a Response');
    return {
      __proto__: null, status: response.status, headers: pairsOf(response.headers), body: takeBody(response),
    };
  }

  // adopt takes what the tenant's code gave as its function, and says which
  // form it has: 1 a script's value, 2 a module's default function, 3 a
  // module's default object with fetch; otherwise a text says what is wrong.
  function adopt(value, isModule) {
    if (typeof value === 'function') {
      handler = value;
      return isModule ? 2 : 1;
    }
    if (isModule && typeof value === 'object' && value !== null && typeof value.fetch === 'function') {
      handler = async (event) => answered(
        await value.fetch(new Request(event?.url ?? '', event ?? {}), { __proto__: null }, { __proto__: null, waitUntil() {} }));
      return 3;
    }
    const kind = value === undefined ? 'nothing' : value === null ? 'null' : isArray(value) ? 'an array' : 'a value of type ' + typeof value;
    return isModule
      ? 'the module\'s default export is ' + kind + '; export default a function, or an object with a fetch method'
      : 'the code\'s value is ' + kind + '; it must be a function expression, or a module with a default export';
  }

  // start is called by Go with the event. What it returns or throws, and what
  // becomes of a promise it returns, Go looks at itself.
  function start(event) {
    live = true;
    if (lastCall !== 0) {
      outstanding = new MapClass();
      lastCall = 0;
    }
    if (lastTimer !== 0) {
      timers = new MapClass();
      lastTimer = 0;
    }
    return handler(event);
  }

  // follow is called by Go with an object that is not a promise: one with a
  // then method counts as one all the same.
  const follow = (result) => (typeof result.then === 'function' ? new PromiseClass((resolve) => resolve(result)) : result);

  const report = (thrown) => stringify(failure(thrown, 0));

  return [define, adopt, start, follow, settle, timer, report];
})
