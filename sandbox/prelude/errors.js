// How thrown values are described to Go, and how a host call's failure becomes
// an Error.

// PermissionError is what a host call throws when the policy denies it.
class PermissionError extends ErrorClass {}
hide(PermissionError.prototype, 'name', 'PermissionError');
hide(globalThis, 'PermissionError', PermissionError);

const errorClasses = {
  __proto__: null,
  Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError, PermissionError,
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

// What a description may hold in all; Go has limits of its own.
const MOST_TEXT = 49152, MOST_ERRORS = 32, MOST_PROPERTIES = 16;

// failure describes a thrown value for Go, with its causes and the errors of
// an AggregateError. It must work on anything.
function failure(thrown, room = { __proto__: null, text: MOST_TEXT, errors: MOST_ERRORS }, depth = 0) {
  const out = { __proto__: null, name: 'Error', message: '', stack: '' };
  const spend = (text, most) => {
    const kept = clip(text, most < room.text ? most : room.text);
    room.text -= kept.length;
    return kept;
  };
  room.errors--;
  try {
    if (typeof thrown === 'object' && thrown !== null && isError(thrown)) {
      out.name = spend(toText(thrown.name), 256);
      out.message = spend(toText(thrown.message), 16384);
      out.stack = spend(frames(thrown.stack), 16384);
      describeProperties(thrown, out, spend);
      const cause = thrown.cause;
      if (depth < 8 && room.errors > 0 && cause !== undefined) out.cause = failure(cause, room, depth + 1);
      const errors = getOwnPropertyDescriptor(thrown, 'errors')?.value;
      if (depth < 8 && isArray(errors)) {
        const list = bare();
        for (let i = 0; i < errors.length && room.errors > 0; i++) list[i] = failure(errors[i], room, depth + 1);
        out.errors = list;
      }
    } else {
      out.name = 'Thrown';
      out.message = spend(typeof thrown === 'string' ? thrown : inspect(thrown), 16384);
    }
  } catch {
    // A getter or toString threw: what has been read is what there is.
  }
  return out;
}

// describeProperties keeps the first of an error's own properties, like code:
// what JSON has as it is, the rest as text. It runs no getter.
function describeProperties(error, out, spend) {
  const keys = ownKeys(error);
  let properties;
  for (let i = 0, n = 0; i < keys.length && n < MOST_PROPERTIES; i++) {
    const key = keys[i];
    if (typeof key !== 'string' || key === 'name' || key === 'message' || key === 'stack' || key === 'cause' || key === 'errors') continue;
    const d = getOwnPropertyDescriptor(error, key);
    if (d === undefined || !d.enumerable || !('value' in d) || typeof d.value === 'function' || d.value === undefined) continue;
    const v = d.value;
    properties ??= { __proto__: null };
    properties[spend(key, 256)] = v === null || typeof v === 'boolean' || (typeof v === 'number' && v - v === 0) ? v
      : spend(typeof v === 'string' ? v : inspect(v), 1024);
    n++;
  }
  if (properties !== undefined) out.properties = properties;
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
