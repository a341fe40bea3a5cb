// console, after the Console Standard.

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
  const names = bare();
  const rows = bare();
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
  const all = bare();
  all[0] = '(index)';
  for (let i = 0; i < names.length; i++) all[all.length] = names[i];
  for (let i = 0; i < rows.length; i++) if ('Values' in rows[i]) note(all, 'Values');
  const widths = bare();
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
