// serve: the fetch handler of a module, and how an HTTP request passes through a
// function.

const { openStream, respond, clientGone, report, stringify, api } = shared;
const { arrive, receive } = shared.use('request');
const { Response, responseState } = shared.use('response');
const { listed } = shared.use('headers');
const { wire, encode, notBytes } = shared.use('body');
const { write, MOST_TEXT, MOST_BYTES } = shared.use('fetch');

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

// context makes the third argument of a fetch handler. settled ends when all that
// it was told to wait for has.
function context() {
  const waiting = [];
  return {
    waiting,
    ctx: { waitUntil(promise) { waiting.push(Promise.resolve(promise).then(ignore, report)); } },
    async settled() {
      for (let i = 0; i < waiting.length; i++) await waiting[i];
    },
  };
}

// answered is a whole Response as an invocation's value.
async function answered(response) {
  const { status, headers, body } = responseState(response);
  return wire({ __proto__: null, status, headers: [...headers], body: '' }, await body.take());
}

// run gives a fetch handler the Request that an event describes. The whole
// Response is the value.
async function run(handle, event) {
  const { ctx, settled } = context();
  const answer = await answered(await handle(arrive(event), variables, ctx));
  await settled();
  return answer;
}

const watch = (controller) => {
  clientGone().then(() => controller.abort(shared.domException('AbortError', 'the client has left')), ignore);
};

// serve answers an HTTP request: with the invocation's value if all is known at
// once, else the head goes out, then the body as it comes.
async function serve(handle, event) {
  const { ctx, waiting, settled } = context();
  const response = await handle(receive(event, watch), variables, ctx);
  const { status, headers, body } = responseState(response);
  if (status === 0) throw new TypeError('Response.error() cannot be sent');
  if (body.isUsed || body.isLocked) throw new TypeError('the body of the Response has been read already, or is locked');
  if (waiting.length === 0 && (body.none || isSmall(body))) return wire({ status, headers: listed(headers), body: '' }, body.none ? '' : body.data);
  const head = encode(stringify({ status, headers: listed(headers) })).buffer;
  if (body.none || (event.method === 'HEAD' && !body.isData)) {
    await respond(0, head);
    if (!body.none) body.stream.cancel().catch(ignore);
  } else {
    const host = await openStream();
    await respond(host.id, head);
    await pour(body, host);
  }
  await settled();
}

const isSmall = ({ isData, data }) => isData && data.length <= (typeof data === 'string' ? MOST_TEXT : MOST_BYTES);

// pour writes a body to a stream of the host, as it is taken.
async function pour(body, host) {
  let source = null;
  try {
    if (body.isData) {
      await write(host, encode(await body.take()));
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
function describe(run, event) {
  return serve(async (request) => {
    const { method, url } = request;
    const result = await run({ method, url, headers: Object.fromEntries(request.headers), body: await request.text() });
    return result instanceof Response ? result : result === undefined ? new Response(null, { status: 204 }) : Response.json(result);
  }, event);
}

return { run, serve, describe };
