// serve: the fetch handler of a module, and how an HTTP request passes through a
// function.

const { openStream, respond, finish, clientGone, report, api } = shared;
const { arrive, blank, receive } = shared.use('request');
const { Response, stateOf, headOf, STATUS, BODY } = shared.use('response');
const { wire, encode, notBytes } = shared.use('body');
const { write } = shared.use('fetch');

// The largest body that goes out with its head, in characters of text or in
// bytes.
const MOST = 65536;

const ignore = () => {};

// variables is the object of the function's variables. Each is asked for as it
// is read, by the calls env.get and env.all, which the policy governs.
const variables = new Proxy({}, {
  get: (_, name) => (typeof name === 'string' && name !== 'then' ? api('env.get')?.(name) : undefined),
  has: (_, name) => typeof name === 'string' && api('env.get')?.(name) !== undefined,
  ownKeys: () => Object.keys(api('env.all')?.() ?? {}),
  getOwnPropertyDescriptor: (_, name) => {
    const value = typeof name === 'string' ? api('env.get')?.(name) : undefined;
    return value === undefined ? undefined : { value, configurable: true, enumerable: true, writable: false };
  },
  set: () => false,
  defineProperty: () => false,
  deleteProperty: () => false,
  getPrototypeOf: () => null,
});

// context makes the third argument of a fetch handler. waiting gets what it was
// told to wait for.
const context = (waiting) => ({ waitUntil(promise) { waiting.push(Promise.resolve(promise).then(ignore, report)); } });

// settled ends when all of that has.
async function settled(waiting) {
  for (let i = 0; i < waiting.length; i++) await waiting[i];
}

// run gives a fetch handler the Request that an event describes. The whole
// Response is the value.
async function run(handle, event) {
  const waiting = [];
  const response = await handle(arrive(event), variables, context(waiting));
  const s = stateOf(response);
  const data = s[BODY] === null ? '' : typeof s[BODY] === 'string' ? s[BODY] : await s[BODY].take();
  const answer = wire({ __proto__: null, status: s[STATUS], headers: [...response.headers], body: '' }, data);
  await settled(waiting);
  return answer;
}

const watch = (controller) => {
  clientGone().then(() => controller.abort(shared.domException('AbortError', 'the client has left')), ignore);
};

// prepare makes what serving a request takes: the Request and the context, what to
// wait for, and whether the answer has no body.
function prepare() {
  const waiting = [];
  return { request: blank(watch), context: context(waiting), waiting, bodiless: false };
}

let next = prepare(); // in the snapshot: most instances serve one request
let current; // the one that is being served

// serve begins an HTTP request. What the handler returns, Go gives to answer when
// it is there.
function serve(handle, method, url, plain, stream, headers) {
  current = next ?? prepare();
  next = null;
  current.bodiless = method === 'HEAD';
  receive(current.request, method, url, plain, stream, headers);
  return handle(current.request, variables, current.context);
}

// answer answers it: whole, as the invocation's result, if all is known and there
// is nothing to wait for; else the head goes out, then the body as it comes. It
// returns what is to be waited for, undefined when that is all.
function answer(response) {
  const s = stateOf(response);
  const { waiting, bodiless } = current;
  const head = headOf(s);
  const body = s[BODY];
  let data = '';
  if (typeof body === 'string') {
    data = body;
  } else if (body !== null && !body.none) {
    if (body.isUsed || body.isLocked) throw new TypeError('the body of the Response has been read already, or is locked');
    data = body.isData ? body.data : undefined;
  }
  if (data === undefined || data.length > MOST) return begin(head, body, data, waiting, bodiless);
  if (waiting.length === 0) return finish(head, data);
  return respond(head, data).then(() => settled(waiting));
}

// begin answers with a body that is not here, or too large to go with the head.
async function begin(head, body, data, waiting, bodiless) {
  if (bodiless && data === undefined) {
    await respond(head, '');
    body.stream.cancel().catch(ignore);
  } else {
    const host = await openStream();
    await respond(head, '', host.id);
    await pour(body, data, host);
  }
  await settled(waiting);
}

// pour writes a body to a stream of the host, as it is taken.
async function pour(body, data, host) {
  let source = null;
  try {
    if (data !== undefined) {
      await write(host, encode(data));
    } else if (body.given === null) { // as it came from the host
      source = body.incoming;
      body.used = true;
      for (let piece; (piece = await source.read()) !== undefined;) await write(host, piece);
    } else {
      source = body.stream.getReader();
      for (;;) {
        const { value, done } = await source.read();
        if (done) break;
        if (!(value instanceof Uint8Array)) throw notBytes();
        await write(host, value);
      }
    }
    await host.close();
  } catch (e) {
    host.cancel().catch(ignore);
    source?.cancel(e).catch(ignore);
    throw e;
  }
}

// describe lets a plain function answer an HTTP request: it gets its description
// as the event, and what it returns goes out as JSON, unless it is a Response.
function describe(run, method, url, plain, stream, headers) {
  return serve(async (request) => {
    const result = await run({ method: request.method, url: request.url, headers: Object.fromEntries(request.headers), body: await request.text() });
    return result instanceof Response ? result : result === undefined ? new Response(null, { status: 204 }) : Response.json(result);
  }, method, url, plain, stream, headers);
}

return { run, serve, answer, describe };
