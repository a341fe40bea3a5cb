// What waits in a ReadableStream, and who waits for it.

const desired = (r) => (r.state === 'errored' ? null : r.state === 'closed' ? 0 : r.mark - r.total);

function pull(r) {
  if (r.state !== 'readable' || r.closing || !r.started) return;
  if (!(r.requests.length > 0 || desired(r) > 0)) return;
  if (r.pulling) {
    r.again = true;
    return;
  }
  r.pulling = true;
  attempt(r.pull, r.controller).then(() => {
    r.pulling = false;
    if (r.again) {
      r.again = false;
      pull(r);
    }
  }, (e) => fail(r, e));
}

function drop(r) {
  r.queue = [];
  r.total = 0;
}

function finish(r) {
  r.state = 'closed';
  r.byob = null;
  const requests = r.requests;
  r.requests = [];
  for (const q of requests) q.close(q.into === undefined || q.into.auto ? undefined : filled(q.into, q.into.filled - q.into.filled % q.into.unit));
  r.closed?.resolve();
}

function fail(r, e) {
  if (r.state !== 'readable') return;
  r.state = 'errored';
  r.error = e;
  r.byob = null;
  drop(r);
  const requests = r.requests;
  r.requests = [];
  for (const q of requests) q.error(e);
  r.closed?.reject(e);
}

function dequeue(r) {
  const [chunk, size] = r.queue.shift();
  r.total = r.queue.length === 0 ? 0 : r.total - size;
  if (r.closing && r.queue.length === 0) finish(r);
  else pull(r);
  return chunk;
}

function enqueue(r, chunk) {
  if (r.state !== 'readable' || r.closing) throw new TypeError('the stream is closed');
  if (r.bytes) {
    if (!ArrayBuffer.isView(chunk)) throw new TypeError('a chunk of a byte stream must be a view of an ArrayBuffer');
    if (chunk.byteLength === 0) throw new TypeError('a chunk of a byte stream must not be empty');
    const { byteOffset, byteLength } = chunk;
    r.queue.push([new Uint8Array(chunk.buffer.transfer(), byteOffset, byteLength), byteLength]);
    r.total += byteLength;
    r.byob = null;
    serve(r);
  } else if (r.requests.length > 0) {
    r.requests.shift().chunk(chunk);
  } else {
    let size;
    try {
      size = measure(r.size, chunk);
    } catch (e) {
      fail(r, e);
      throw e;
    }
    r.queue.push([chunk, size]);
    r.total += size;
  }
  pull(r);
}

function closeReadable(r) {
  if (r.state !== 'readable' || r.closing) throw new TypeError('the stream is closed');
  const into = r.requests[0]?.into;
  if (into !== undefined && into.filled % into.unit !== 0) {
    const e = new TypeError('the stream ended within an element of the view');
    fail(r, e);
    throw e;
  }
  r.closing = true;
  if (r.queue.length === 0) finish(r);
}

function cancel(r, reason) {
  r.disturbed = true;
  if (r.state === 'closed') return Promise.resolve();
  if (r.state === 'errored') return Promise.reject(r.error);
  drop(r);
  finish(r);
  return attempt(r.cancel, reason).then(noop);
}

// read serves a request, {chunk, close, error} and for BYOB into, now or later.
function read(r, request) {
  r.disturbed = true;
  if (r.state === 'errored') return request.error(r.error);
  if (r.state === 'closed') return request.close(request.into === undefined ? undefined : filled(request.into, 0));
  if (r.bytes) {
    if (request.into === undefined && r.auto !== undefined && r.queue.length === 0) {
      request.into = { buffer: new ArrayBuffer(r.auto), offset: 0, length: r.auto, filled: 0, least: 1, unit: 1, Class: Uint8Array, auto: true };
    }
    r.requests.push(request);
    serve(r);
    return pull(r);
  }
  if (r.queue.length > 0) return request.chunk(dequeue(r));
  r.requests.push(request);
  pull(r);
}
