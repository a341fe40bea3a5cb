// How thrown values are described to Go, and how a host call's failure becomes
// an Error.

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
