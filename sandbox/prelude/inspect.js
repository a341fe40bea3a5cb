// inspect shows any value, much as Node's does, on one line. It runs no getter
// of the value's own.

const quote = (text) => stringify(text);

// platformClasses holds, by prototype, the getters and the forEach that the
// classes of the lazy parts had when they were made: [[name, getter], ...].
const platformClasses = new MapClass();

const MOST_DEPTH = 4, MOST_SHOWN = 100, MOST_HOLES = 1000;

function inspect(value, depth = 0, seen = bare()) {
  switch (typeof value) {
    case 'string': return quote(value);
    case 'bigint': return toText(value) + 'n';
    case 'symbol': return apply(symbolToString, value, []);
    case 'function': return inspectFunction(value, depth, seen);
    case 'number': return value === 0 && 1 / value < 0 ? '-0' : toText(value);
    case 'object': break;
    default: return toText(value);
  }
  if (value === null) return 'null';
  for (let i = 0; i < seen.length; i++) if (seen[i] === value) return '[Circular]';
  if (depth > MOST_DEPTH && !isError(value)) return '[' + (isArray(value) ? 'Array' : className(value)) + ']';
  if (depth > 2 * MOST_DEPTH) return '[Error]';
  seen[seen.length] = value;
  const text = inspectObject(value, depth, seen);
  seen.length--;
  return text;
}

const brand = (method, value) => {
  try { return apply(method, value, []); } catch { return undefined; }
};

function inspectFunction(value, depth, seen) {
  const name = getOwnPropertyDescriptor(value, 'name')?.value;
  const named = typeof name === 'string' && name !== '';
  const source = apply(functionToString, value, []);
  const text = apply(indexOf, source, ['class']) === 0 ? '[class ' + (named ? name : '(anonymous)') + ']'
    : '[' + (tagOf(value) ?? 'Function') + (named ? ': ' + name : ' (anonymous)') + ']';
  const own = depth > MOST_DEPTH ? '' : properties(value, depth, seen, objectKeys(value));
  return own === '' ? text : wrap(text + ' ', '{', own, '}');
}

function inspectObject(value, depth, seen) {
  const name = className(value);
  const show = (v) => inspect(v, depth + 1, seen);
  const is = (usual, size) => (name === usual ? usual : name + (size === undefined ? '' : '(' + size + ')') + ' [' + usual + ']');
  if (isError(value)) return inspectError(value, depth, seen);
  if (isArray(value)) {
    const length = value.length;
    return wrap(name === 'Array' ? '' : name + '(' + length + ') ', '[', elements(value, length, show) + rest(value, length, depth, seen), ']');
  }
  switch (kinds[host(CLASS, value)]) {
    case DATE: {
      const time = apply(getTime, value, []);
      return time === time ? apply(toISOString, value, []) : 'Invalid Date';
    }
    case REGEXP: return brand(regexpToString, value) ?? '[RegExp]';
    case MAP: {
      const size = apply(mapSize, value, []);
      return wrap((name === 'Map' ? 'Map(' + size + ')' : is('Map', size)) + ' ', '{',
        list(apply(mapEntries, value, []), mapNext, (e) => show(e[0]) + ' => ' + show(e[1])) + own(value, depth, seen), '}');
    }
    case SET: {
      const size = apply(setSize, value, []);
      return wrap((name === 'Set' ? 'Set(' + size + ')' : is('Set', size)) + ' ', '{', list(apply(setValues, value, []), setNext, show) + own(value, depth, seen), '}');
    }
    case TYPED: {
      const length = apply(typedElements, value, []);
      return wrap(name + '(' + length + ') ', '[', elements(value, length, show), ']');
    }
    case BUFFER: {
      const size = apply(bufferLength, value, []);
      const start = brand(() => new Uint8ArrayClass(value, 0, size > 50 ? 50 : size), undefined) ?? [];
      let hex = '';
      for (let i = 0; i < start.length; i++) hex += (i ? ' ' : '') + apply(padStart, apply(numberToString, start[i], [16]), [2, '0']);
      return is('ArrayBuffer') + ' { [Uint8Contents]: <' + hex + (size > 50 ? ' … ' + (size - 50) + ' more bytes' : '') + '>, byteLength: ' + size + own(value, depth, seen) + ' }';
    }
    case VIEW:
      return wrap(is('DataView') + ' ', '{', ', byteLength: ' + brand(viewLength, value) + ', byteOffset: ' + brand(viewOffset, value) +
        ', buffer: ' + show(brand(viewBuffer, value)) + own(value, depth, seen), '}');
    case BOXED: {
      const inner = unbox(value);
      const Class = typeof inner === 'string' ? 'String' : typeof inner === 'number' ? 'Number' : typeof inner === 'boolean' ? 'Boolean' : 'BigInt';
      return '[' + (name === Class ? Class : name + ' (' + Class + ')') + ': ' + inspect(inner) + ']';
    }
  }
  const tag = tagOf(value);
  const label = tag === undefined || tag === name ? name : name + ' [' + tag + ']';
  return wrap(label === 'Object' ? '' : label + ' ', '{', platform(value, depth, seen) + own(value, depth, seen), '}');
}

// What follows returns items with ', ' before each, which wrap takes off.
const wrap = (label, open, items, close) => label + open + (items === '' ? '' : ' ' + apply(slice, items, [2]) + ' ') + close;

function elements(value, length, show) {
  let out = '';
  let n = 0;
  let holes = 0;
  for (let i = 0; i < length; n++) {
    if (n === MOST_SHOWN || holes > MOST_HOLES) return out + ', … ' + (length - i) + ' more item' + (length - i > 1 ? 's' : '');
    const d = getOwnPropertyDescriptor(value, i);
    if (d !== undefined) {
      out += ', ' + ('value' in d ? show(d.value) : accessor(d));
      i++;
      continue;
    }
    const from = i;
    while (i < length && holes <= MOST_HOLES && getOwnPropertyDescriptor(value, i) === undefined) {
      i++;
      holes++;
    }
    out += ', <' + (i - from) + ' empty item' + (i - from > 1 ? 's' : '') + '>';
  }
  return out;
}

// rest is what an array has besides its elements. A long one is not looked at:
// its keys alone take more memory than it does.
function rest(array, length, depth, seen) {
  if (length > 1000) return '';
  const keys = objectKeys(array);
  const names = bare();
  for (let i = 0; i < keys.length; i++) {
    const n = toNumber(keys[i]);
    if (!(isInteger(n) && n >= 0 && toText(n) === keys[i])) names[names.length] = keys[i];
  }
  return properties(array, depth, seen, names);
}

function list(iterator, next, show) {
  let out = '';
  for (let n = 0; ; n++) {
    const step = apply(next, iterator, []);
    if (step.done) return out;
    if (n === MOST_SHOWN) return out + ', …';
    out += ', ' + show(step.value);
  }
}

const own = (value, depth, seen) => properties(value, depth, seen, ownKeys(value));
const accessor = (d) => (d.get === undefined ? '[Setter]' : d.set === undefined ? '[Getter]' : '[Getter/Setter]');

function properties(value, depth, seen, keys) {
  let out = '';
  let n = 0;
  for (let i = 0; i < keys.length; i++) {
    const d = getOwnPropertyDescriptor(value, keys[i]);
    if (d === undefined || !d.enumerable) continue;
    if (n++ === MOST_SHOWN) return out + ', …';
    out += ', ' + key(keys[i]) + ': ' + ('value' in d ? inspect(d.value, depth + 1, seen) : accessor(d));
  }
  return out;
}

// platform is what the getters of a platform class say, those of its base first.
function platform(value, depth, seen) {
  let out = '';
  let n = 0;
  for (let p = getPrototypeOf(value); p !== null && n < 16; p = getPrototypeOf(p), n++) {
    const members = apply(mapGet, platformClasses, [p]);
    if (members === undefined) continue;
    let these = '';
    for (let i = 0; i < members.length; i++) {
      const name = members[i][0], member = members[i][1];
      try {
        if (name === 'forEach') {
          let shown = 0;
          apply(member, value, [(v, k) => {
            if (shown++ < MOST_SHOWN) these += ', ' + inspect(k) + ' => ' + inspect(v, depth + 1, seen);
          }]);
        } else {
          these += ', ' + name + ': ' + inspect(apply(member, value, []), depth + 1, seen);
        }
      } catch { /* it is not one of these, or not in a state to say */ }
    }
    out = these + out;
  }
  return out;
}

function inspectError(error, depth, seen) {
  let out;
  try { out = toText(error); } catch { out = '[' + className(error) + ']'; }
  const stack = frames(getOwnPropertyDescriptor(error, 'stack')?.value);
  if (stack !== '') {
    const lines = apply(split, stack, ['\n']);
    for (let i = 0; i < lines.length; i++) out += '\n    ' + lines[i];
  }
  let items = '';
  const hidden = (name) => {
    const d = getOwnPropertyDescriptor(error, name);
    if (d !== undefined && 'value' in d && !d.enumerable) items += ', [' + name + ']: ' + inspect(d.value, depth + 1, seen);
  };
  hidden('cause');
  hidden('errors');
  items = own(error, depth, seen) + items;
  return items === '' ? out : out + ' {' + apply(slice, items, [1]) + ' }';
}

const key = (k) => (typeof k === 'symbol' ? '[' + apply(symbolToString, k, []) + ']' : isIdentifier(k) ? k : quote(k));

function className(value) {
  for (let p = getPrototypeOf(value), n = 0; p !== null && n < 64; p = getPrototypeOf(p), n++) {
    const constructor = getOwnPropertyDescriptor(p, 'constructor')?.value;
    const name = typeof constructor === 'function' ? getOwnPropertyDescriptor(constructor, 'name')?.value : undefined;
    if (typeof name === 'string' && name !== '') return name;
  }
  return '[Object: null prototype]';
}

// tagOf is the Symbol.toStringTag of a value, if no getter gives it.
function tagOf(value) {
  for (let p = value, n = 0; p !== null && n < 64; p = getPrototypeOf(p), n++) {
    const d = getOwnPropertyDescriptor(p, tagSymbol);
    if (d !== undefined) return typeof d.value === 'string' && d.value !== '' ? d.value : undefined;
  }
  return undefined;
}
