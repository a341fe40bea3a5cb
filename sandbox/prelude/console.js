// console, after the Console Standard, and inspect, which shows any value.

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
