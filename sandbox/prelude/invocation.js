// What Go calls to run a function.

let handler; // runs the function with an event
let fetcher; // calls its fetch method, if it has one
let serving; // the lazy part that serves HTTP requests, once it is there

// adopt takes what the tenant's code gave as its function, and says which
// form it has: 1 a script's value, 2 a module's default function, 3 a
// module's default object with fetch; otherwise a text says what is wrong.
function adopt(value, isModule) {
  if (typeof value === 'function') {
    handler = value;
    return isModule ? 2 : 1;
  }
  if (isModule && typeof value === 'object' && value !== null && typeof value.fetch === 'function') {
    serving = use('serve'); // Into the snapshot: every invocation needs it.
    fetcher = (request, env, ctx) => value.fetch(request, env, ctx);
    handler = (event) => serving.run(fetcher, event);
    return 3;
  }
  const kind = value === undefined ? 'nothing' : value === null ? 'null' : isArray(value) ? 'an array' : 'a value of type ' + typeof value;
  return isModule
    ? 'the module\'s default export is ' + kind + '; export default a function, or an object with a fetch method'
    : 'the code\'s value is ' + kind + '; it must be a function expression, or a module with a default export';
}

function begin() {
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
}

// start is called by Go with the event, which may be packed. What it returns or
// throws, and what becomes of a promise it returns, Go looks at itself.
function start(event, packed) {
  begin();
  return handler(packed ? unpack(event, 'event') : event);
}

// serve is start for an HTTP request: its method, its URL and whether that is plain,
// the number of its body's stream or 0, and its headers, as a text. What comes of
// it Go gives to answer, and what that returns is settled likewise.
function serve(method, url, plain, stream, headers) {
  begin();
  serving ??= use('serve');
  return fetcher === undefined ? serving.describe(handler, method, url, plain, stream, headers) : serving.serve(fetcher, method, url, plain, stream, headers);
}

const answer = (value) => serving.answer(value);

// follow is called by Go with an object that is not a promise: one with a
// then method counts as one all the same.
const follow = (result) => (typeof result.then === 'function' ? new PromiseClass((resolve) => resolve(result)) : result);

const report = (thrown) => stringify(failure(thrown));
