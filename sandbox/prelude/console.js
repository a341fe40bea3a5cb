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

// table shows rows and columns as console.table does; what is no object, as log.
function table(data, columns) {
  if (typeof data !== 'object' || data === null) return [data];
  const names = [];
  const rows = [];
  const add = (index, value) => {
    const row = { __proto__: null };
    row['(index)'] = toText(index);
    if (typeof value === 'object' && value !== null) {
      const keys = isArray(columns) ? columns : ownKeys(value);
      for (let i = 0; i < keys.length && i < 50; i++) {
        const d = getOwnPropertyDescriptor(value, keys[i]);
        if (d === undefined || !d.enumerable || typeof keys[i] === 'symbol') continue;
        note(names, toText(keys[i]));
        row[keys[i]] = 'value' in d ? inspect(d.value, 4) : '[Getter]';
      }
    } else {
      row['Values'] = inspect(value, 4);
    }
    rows[rows.length] = row;
  };
  if (brand(mapSize, data) !== undefined) eachEntry(apply(mapEntries, data, []), mapNext, (e, i) => add(e[0], e[1]));
  else if (brand(setSize, data) !== undefined) eachEntry(apply(setValues, data, []), setNext, (e, i) => add(i, e));
  else {
    const keys = ownKeys(data);
    for (let i = 0; i < keys.length && rows.length < 1000; i++) {
      const d = getOwnPropertyDescriptor(data, keys[i]);
      if (d !== undefined && d.enumerable && 'value' in d && typeof keys[i] !== 'symbol') add(keys[i], d.value);
    }
  }
  const all = ['(index)'];
  for (let i = 0; i < names.length; i++) all[all.length] = names[i];
  for (let i = 0; i < rows.length; i++) if ('Values' in rows[i]) note(all, 'Values');
  const widths = [];
  for (let c = 0; c < all.length; c++) {
    widths[c] = all[c].length;
    for (let i = 0; i < rows.length; i++) if ((rows[i][all[c]] ?? '').length > widths[c]) widths[c] = rows[i][all[c]].length;
  }
  const rule = (left, mid, right) => {
    let out = left;
    for (let c = 0; c < all.length; c++) out += apply(repeat, '─', [widths[c] + 2]) + (c === all.length - 1 ? right : mid);
    return out;
  };
  const line = (cell) => {
    let out = '│';
    for (let c = 0; c < all.length; c++) out += ' ' + apply(padEnd, cell(c), [widths[c]]) + ' │';
    return out;
  };
  let out = rule('┌', '┬', '┐') + '\n' + line((c) => all[c]) + '\n' + rule('├', '┼', '┤');
  for (let i = 0; i < rows.length; i++) out += '\n' + line((c) => rows[i][all[c]] ?? '');
  return [out + '\n' + rule('└', '┴', '┘')];
}

function note(names, name) {
  for (let i = 0; i < names.length; i++) if (names[i] === name) return;
  names[names.length] = name;
}

function eachEntry(iterator, next, f) {
  for (let i = 0; i < 1000; i++) {
    const step = apply(next, iterator, []);
    if (step.done) return;
    f(step.value, i);
  }
}

const { repeat, padEnd } = String.prototype;

const AS_DEBUG = 0, AS_INFO = 1, AS_WARN = 2, AS_ERROR = 3;
const counters = new MapClass();
const stopwatches = new MapClass();
let indent = '';
const write = (level, args) => host(LOG, level, clip(indent + format(args), 16384));

const console = {
  debug(...args) { write(AS_DEBUG, args); },
  log(...args) { write(AS_INFO, args); },
  info(...args) { write(AS_INFO, args); },
  warn(...args) { write(AS_WARN, args); },
  error(...args) { write(AS_ERROR, args); },
  trace(...args) {
    const stack = frames(new ErrorClass().stack);
    write(AS_DEBUG, ['Trace: ' + format(args) + (stack === '' ? '' : '\n    ' + stack)]);
  },
  dir(value) { write(AS_INFO, [inspect(value)]); },
  dirxml(...args) { write(AS_INFO, args); },
  table(data, columns) { write(AS_INFO, table(data, columns)); },
  assert(ok, ...args) {
    if (!ok) write(AS_ERROR, ['Assertion failed' + (args.length ? ': ' + format(args) : '')]);
  },
  count(label = 'default') {
    const n = (apply(mapGet, counters, [label]) ?? 0) + 1;
    apply(mapSet, counters, [label, n]);
    write(AS_INFO, [toText(label) + ': ' + n]);
  },
  countReset(label = 'default') {
    if (!apply(mapDelete, counters, [label])) write(AS_WARN, ["There is no counter '" + toText(label) + "'"]);
  },
  time(label = 'default') {
    if (apply(mapGet, stopwatches, [label]) !== undefined) return write(AS_WARN, ["There is a timer '" + toText(label) + "' already"]);
    apply(mapSet, stopwatches, [label, host(NOW)]);
  },
  timeLog(label = 'default', ...args) {
    const start = apply(mapGet, stopwatches, [label]);
    if (start === undefined) return write(AS_WARN, ["There is no timer '" + toText(label) + "'"]);
    write(AS_INFO, [toText(label) + ': ' + (host(NOW) - start) + ' ms' + (args.length ? ' ' + format(args) : '')]);
  },
  timeEnd(label = 'default') {
    console.timeLog(label);
    apply(mapDelete, stopwatches, [label]);
  },
  clear() { indent = ''; },
  group(...args) {
    if (args.length) write(AS_INFO, args);
    if (indent.length < 64) indent += '  ';
  },
  groupEnd() { indent = apply(slice, indent, [2]); },
};
console.groupCollapsed = console.group;
hide(console, tagSymbol, 'console');
hide(globalThis, 'console', console);
