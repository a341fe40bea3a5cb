// What Go calls to run a function.

let handler; // runs the function with an event
let server; // runs it with the description of an HTTP request, and answers that

// adopt takes what the tenant's code gave as its function, and says which
// form it has: 1 a script's value, 2 a module's default function, 3 a
// module's default object with fetch; otherwise a text says what is wrong.
function adopt(value, isModule) {
  if (typeof value === 'function') {
    handler = value;
    server = (event) => use('serve').describe(value, event);
    return isModule ? 2 : 1;
  }
  if (isModule && typeof value === 'object' && value !== null && typeof value.fetch === 'function') {
    const { run, serve } = use('serve'); // Into the snapshot: every invocation needs it.
    const handle = (request, env, ctx) => value.fetch(request, env, ctx);
    handler = (event) => run(handle, event);
    server = (event) => serve(handle, event);
    return 3;
  }
  const kind = value === undefined ? 'nothing' : value === null ? 'null' : isArray(value) ? 'an array' : 'a value of type ' + typeof value;
  return isModule
    ? 'the module\'s default export is ' + kind + '; export default a function, or an object with a fetch method'
    : 'the code\'s value is ' + kind + '; it must be a function expression, or a module with a default export';
}

// start is called by Go with the event, which may be packed, or describe an HTTP request. What it
// returns or throws, and what becomes of a promise it returns, Go looks at itself.
function start(event, packed, http) {
  live = true;
  runs++;
  if (lastCall !== 0) {
    outstanding = ownMap();
    lastCall = 0;
  }
  if (lastTimer !== 0) {
    timers = new MapClass();
    lastTimer = 0;
  }
  if (http) return server(event);
  return handler(packed ? unpack(event, 'event') : event);
}

// answer is called by Go with what came of answering an HTTP request. What it
// returns is settled like what start returns.
const answer = (value) => use('serve').answer(value);

// follow is called by Go with an object that is not a promise: one with a
// then method counts as one all the same.
const follow = (result) => (typeof result.then === 'function' ? new PromiseClass((resolve) => resolve(result)) : result);

const report = (thrown) => stringify(failure(thrown));
