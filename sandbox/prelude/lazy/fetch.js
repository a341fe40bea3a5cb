// fetch: a Request through the host call, and its answer as a Response.

const { openStream, cancelCall, MAX_PIECE } = shared;
const { Request, requestState } = shared.use('request');
const { received } = shared.use('response');
const { wire, encode, notBytes } = shared.use('body');

// The largest body that goes with the call, in characters of text or in bytes. A
// larger one is written to a stream.
const MOST_TEXT = 65536;
const MOST_BYTES = 16384;

const ignore = () => {};

// write writes bytes to a stream of the host, as they are taken.
async function write(host, bytes) {
  for (let at = 0; at < bytes.length; at += MAX_PIECE) {
    await host.write(bytes.buffer, bytes.byteOffset + at, Math.min(bytes.length - at, MAX_PIECE));
  }
}

// upload writes a request's body to a stream of the host. What it returns ends
// it: stop(reason).
function upload(host, body, lost) {
  let reader = null;
  let stopped = false;
  const stop = (reason) => {
    if (stopped) return;
    stopped = true;
    host.cancel().catch(ignore);
    reader?.cancel(reason).catch(ignore);
  };
  const run = async () => {
    if (body.isData) {
      await write(host, encode(await body.take()));
    } else {
      reader = body.stream.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        if (!(value instanceof Uint8Array)) throw notBytes();
        await write(host, value);
      }
    }
    if (stopped) return;
    stopped = true;
    await host.close();
  };
  run().catch((e) => {
    if (stopped) return;
    lost(e);
    stop(e);
  });
  return stop;
}

// send is fetch over the host call, which start starts.
function send(start, input, init) {
  const { url, method, redirect, headers, body, signal } = requestState(new Request(input, init));
  if (signal?.aborted) throw signal.reason;
  const out = { __proto__: null, method, redirect, headers: [...headers] };
  const { promise, resolve, reject } = Promise.withResolvers();
  let call = null;
  let stop = ignore; // ends the upload
  let response = null;
  const go = () => {
    call = start(url, out);
    call.promise.then((answer) => {
      call = null;
      response = received(answer);
      if (signal?.aborted) response.abort(signal.reason);
      else resolve(response.response);
    }, (e) => {
      call = null;
      stop(e);
      reject(e);
    });
    return promise;
  };
  const goWithStream = async (size) => {
    const host = await openStream();
    if (signal?.aborted) return host.cancel();
    out.bodyStream = host.id;
    if (size !== undefined) out.bodySize = size;
    go();
    stop = upload(host, body, (e) => reject(new TypeError('fetch failed: the request\'s body could not be sent', { cause: e })));
  };
  if (signal !== null) {
    shared.use('events').onAbort(signal, (reason) => {
      reject(reason);
      if (call !== null) cancelCall(call.id).catch(ignore);
      stop(reason);
      response?.abort(reason);
    });
  }
  if (body.none) return go();
  const { data } = body;
  if (body.isData && data.length <= (typeof data === 'string' ? MOST_TEXT : MOST_BYTES)) {
    wire(out, data);
    body.used = true;
    return go();
  }
  if (body.isData) body.data = encode(data);
  goWithStream(body.isData ? body.data.length : undefined).catch(reject);
  return promise;
}

return { send, upload, write, MOST_TEXT, MOST_BYTES };
