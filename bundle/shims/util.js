// What packages use of https://nodejs.org/api/util.html. inspect shows values
// as Node does in the common cases, and makes no promise beyond them.
'use strict';

const types = require('bulkhead:util-types');

const custom = Symbol.for('nodejs.util.inspect.custom');
const quote = (s) => (!s.includes("'") ? "'" + escaped(s, "'") + "'" : !s.includes('"') ? '"' + escaped(s, '"') + '"' : "'" + escaped(s, "'") + "'");
const escaped = (s, q) => JSON.stringify(s).slice(1, -1).replaceAll('\\"', '"').replaceAll(q, '\\' + q);
const keyOf = (k) => (typeof k === 'symbol' ? `[${String(k)}]` : /^[A-Za-z_$][\w$]*$/.test(k) ? k : quote(k));

function inspect(value, options, depth, colors) {
  if (typeof options === 'boolean') options = { showHidden: options, depth, colors };
  return show(value, { ...inspect.defaultOptions, ...options }, 0, []);
}
inspect.custom = custom;
inspect.defaultOptions = { depth: 2, maxArrayLength: 100, maxStringLength: 10000, breakLength: 80, compact: 3, sorted: false, showHidden: false, colors: false };

function show(v, o, level, parents) {
  switch (typeof v) {
    case 'string': {
      const cut = v.length > o.maxStringLength;
      return quote(cut ? v.slice(0, o.maxStringLength) : v) + (cut ? `... ${v.length - o.maxStringLength} more characters` : '');
    }
    case 'number': return Object.is(v, -0) ? '-0' : String(v);
    case 'bigint': return v + 'n';
    case 'undefined': case 'boolean': case 'symbol': return String(v);
  }
  if (v === null) return 'null';
  if (parents.includes(v)) return '[Circular *1]';
  if (typeof v[custom] === 'function' && v[custom] !== inspect) {
    const out = v[custom](o.depth === null ? null : o.depth - level, o, inspect);
    if (out !== v) return typeof out === 'string' ? out : show(out, o, level, parents);
  }
  return showObject(v, o, level, parents);
}

function showObject(v, o, level, parents) {
  const name = className(v);
  const keys = Object.keys(v);
  for (const s of Object.getOwnPropertySymbols(v)) if (Object.prototype.propertyIsEnumerable.call(v, s)) keys.push(s);
  let head = '', open = '{', close = '}', listed = [];
  const inner = (x) => show(x, o, level + 1, [...parents, v]);
  const deep = o.depth !== null && level > o.depth;
  const most = o.maxArrayLength ?? Infinity;
  const some = (list, each) => {
    const out = list.slice(0, most).map(each);
    if (list.length > most) out.push(`... ${list.length - most} more item${list.length - most > 1 ? 's' : ''}`);
    return out;
  };
  if (typeof v === 'function') {
    const isClass = /^class\b/.test(Function.prototype.toString.call(v));
    head = isClass ? `[class ${v.name || '(anonymous)'}]` : `[${name || 'Function'}${v.name ? ': ' + v.name : ' (anonymous)'}]`;
  } else if (v instanceof Error) {
    head = errorText(v);
    if (v.cause !== undefined && !keys.includes('cause') && Object.hasOwn(v, 'cause')) listed.push('[cause]: ' + inner(v.cause));
    if (Array.isArray(v.errors) && !keys.includes('errors')) listed.push('[errors]: ' + inner(v.errors));
  } else if (v instanceof RegExp) head = String(v);
  else if (v instanceof Date) head = Number.isNaN(v.getTime()) ? 'Invalid Date' : v.toISOString();
  else if (types.isBoxedPrimitive(v)) head = `[${name}: ${show(v.valueOf(), o, level, parents)}]`;
  else if (v instanceof Promise) { head = 'Promise'; listed = ['<pending or settled>']; }
  else if (v instanceof WeakMap || v instanceof WeakSet) { head = name; listed = ['<items unknown>']; }
  if (!deep) {
    if (Array.isArray(v) || types.isTypedArray(v)) {
      [open, close] = ['[', ']'];
      head = Array.isArray(v) ? (name === 'Array' ? '' : `${name}(${v.length})`) : `${name}(${v.length})`;
      listed = some(Array.from(v), (x, i) => (i in v ? inner(x) : '<empty>'));
      for (let i = keys.length - 1; i >= 0; i--) if (typeof keys[i] === 'string' && /^(0|[1-9]\d*)$/.test(keys[i])) keys.splice(i, 1);
    } else if (v instanceof Map) {
      head = `${name}(${v.size})`;
      listed = some([...v], ([k, x]) => inner(k) + ' => ' + inner(x));
    } else if (v instanceof Set) {
      head = `${name}(${v.size})`;
      listed = some([...v], inner);
    } else if (v instanceof ArrayBuffer) {
      head = 'ArrayBuffer';
      listed = ['byteLength: ' + v.byteLength];
    } else if (head === '' && name !== 'Object') head = name === null ? '[Object: null prototype]' : name;
  }
  const bare = head !== '' && keys.length === 0 && listed.length === 0 && !(Array.isArray(v) || v instanceof Map || v instanceof Set || types.isTypedArray(v)) && isLeaf(v);
  if (bare) return head;
  if (deep) return Array.isArray(v) ? '[Array]' : isLeaf(v) ? head : `[${name ?? 'Object: null prototype'}]`;
  if (o.sorted) keys.sort(typeof o.sorted === 'function' ? o.sorted : undefined);
  for (const k of keys) {
    const d = Object.getOwnPropertyDescriptor(v, k);
    if (!d) continue;
    const shown = d.get ? (d.set ? '[Getter/Setter]' : '[Getter]') : d.set ? '[Setter]' : inner(d.value);
    listed.push(keyOf(k) + ': ' + shown);
  }
  head = head && head + ' ';
  if (listed.length === 0) return head + open + close;
  const line = `${head}${open} ${listed.join(', ')} ${close}`;
  if (o.breakLength === Infinity || (line.length + level * 2 <= Math.min(72, o.breakLength) && !line.includes('\n'))) return line;
  const indent = '  '.repeat(level + 1);
  return `${head}${open}\n${indent}${listed.join(',\n' + indent)}\n${'  '.repeat(level)}${close}`;
}

const isLeaf = (v) => typeof v === 'function' || v instanceof Error || v instanceof RegExp || v instanceof Date || types.isBoxedPrimitive(v);

function errorText(e) {
  const head = Error.prototype.toString.call(e);
  if (!e.stack) return `[${head}]`;
  // This engine's stacks do not begin with the message.
  return e.stack.startsWith(head) ? e.stack : head + '\n' + e.stack.trimEnd();
}

function className(v) {
  for (let p = v; p !== null; p = Object.getPrototypeOf(p)) {
    const d = Object.getOwnPropertyDescriptor(p, 'constructor');
    if (d && typeof d.value === 'function' && d.value.name) return d.value.name;
  }
  return null;
}

function format(first, ...args) {
  if (typeof first !== 'string') return [first, ...args].map((a) => (typeof a === 'string' ? a : inspect(a))).join(' ');
  let i = 0;
  let text = first.replace(/%[sdifjoOc%]/g, (f) => {
    if (f === '%%') return args.length > 0 ? '%' : f;
    if (i >= args.length) return f;
    const a = args[i++];
    switch (f) {
      case '%s': return typeof a === 'bigint' ? a + 'n' : Object.is(a, -0) ? '-0' : typeof a === 'object' && a !== null && !hasOwnText(a) ? inspect(a, { depth: 0 }) : String(a);
      case '%d': return typeof a === 'bigint' ? a + 'n' : typeof a === 'symbol' ? 'NaN' : String(Number(a));
      case '%i': return typeof a === 'bigint' ? a + 'n' : typeof a === 'symbol' ? 'NaN' : String(parseInt(a));
      case '%f': return typeof a === 'symbol' ? 'NaN' : String(parseFloat(a));
      case '%j':
        try {
          return JSON.stringify(a);
        } catch {
          return '[Circular]';
        }
      case '%o': return inspect(a, { depth: 4, showHidden: true });
      case '%O': return inspect(a);
    }
    return ''; // %c
  });
  for (; i < args.length; i++) text += ' ' + (typeof args[i] === 'string' ? args[i] : inspect(args[i]));
  return text;
}

const hasOwnText = (v) => v instanceof Error || (typeof v.toString === 'function' && v.toString !== Object.prototype.toString && v.toString !== Array.prototype.toString && !(v instanceof Date));

function inherits(child, parent) {
  for (const [what, f] of [['constructor', child], ['super constructor', parent]]) {
    if (typeof f !== 'function') throw new TypeError(`The "${what}" argument must be of type function`);
  }
  Object.defineProperty(child, 'super_', { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(child.prototype, parent.prototype);
}

const promisified = Symbol.for('nodejs.util.promisify.custom');

function promisify(original) {
  if (typeof original !== 'function') throw new TypeError('The "original" argument must be of type function');
  if (typeof original[promisified] === 'function') return original[promisified];
  function promising(...args) {
    return new Promise((resolve, reject) => {
      original.call(this, ...args, (e, value) => (e ? reject(e) : resolve(value)));
    });
  }
  return Object.setPrototypeOf(promising, Object.getPrototypeOf(original));
}
promisify.custom = promisified;

function callbackify(original) {
  return function (...args) {
    const callback = args.pop();
    if (typeof callback !== 'function') throw new TypeError('The last argument must be of type function');
    Promise.resolve(original.apply(this, args)).then(
      (value) => queueMicrotask(() => callback(null, value)),
      (reason) => queueMicrotask(() => callback(reason || Object.assign(new Error('Promise was rejected with falsy value'), { reason }))),
    );
  };
}

function deprecate(f, message) {
  let warned = false;
  return function (...args) {
    if (!warned) console.warn('DeprecationWarning: ' + message);
    warned = true;
    return new.target ? Reflect.construct(f, args, new.target) : f.apply(this, args);
  };
}

const debuglog = () => Object.assign(() => {}, { enabled: false });

module.exports = {
  inspect, format, inherits, promisify, callbackify, deprecate, types,
  formatWithOptions: (_, ...args) => format(...args),
  debuglog, debug: debuglog,
  isDeepStrictEqual: (a, b) => require('bulkhead:assert').isDeepStrictEqual(a, b),
  stripVTControlCharacters: (s) => s.replace(/[\u001b\u009b][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]/g, ''),
  toUSVString: (s) => String(s).toWellFormed(),
  isArray: Array.isArray,
  isBoolean: (v) => typeof v === 'boolean', isNull: (v) => v === null, isNullOrUndefined: (v) => v == null,
  isNumber: (v) => typeof v === 'number', isString: (v) => typeof v === 'string', isSymbol: (v) => typeof v === 'symbol',
  isUndefined: (v) => v === undefined, isObject: (v) => typeof v === 'object' && v !== null,
  isFunction: (v) => typeof v === 'function', isPrimitive: (v) => v === null || (typeof v !== 'object' && typeof v !== 'function'),
  isRegExp: types.isRegExp, isDate: types.isDate, isError: types.isNativeError,
  get TextEncoder() { return TextEncoder; },
  get TextDecoder() { return TextDecoder; },
};
