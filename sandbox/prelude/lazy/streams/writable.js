// What waits to be written to a WritableStream, and how one ends.

const closing = (w) => w.closeRequest !== null || w.closeInFlight !== null;
const CLOSE = {};

function pressure(w) {
  const full = w.mark - w.total <= 0;
  if (w.writer !== null && full !== w.full) {
    if (full) w.ready = deferred();
    else w.ready.resolve();
  }
  w.full = full;
}

function startErroring(w, e) {
  w.state = 'erroring';
  w.error = e;
  if (w.writer !== null) failReady(w, e);
  if (w.inFlight === null && w.closeInFlight === null && w.started) finishErroring(w);
}
function failReady(w, e) {
  w.ready.reject(e);
  w.ready = deferred();
  w.ready.reject(e);
}

function finishErroring(w) {
  w.state = 'errored';
  w.queue = [];
  w.total = 0;
  const writes = w.writes;
  w.writes = [];
  for (const d of writes) d.reject(w.error);
  const abort = w.pendingAbort;
  w.pendingAbort = null;
  const rest = () => {
    w.closeRequest?.reject(w.error);
    w.closeRequest = null;
    w.closed?.reject(w.error);
  };
  if (abort === null) return rest();
  if (abort.erroring) {
    abort.reject(w.error);
    return rest();
  }
  attempt(w.abort, abort.reason).then(() => { abort.resolve(); rest(); }, (e) => { abort.reject(e); rest(); });
}

const lostWrite = (w, e) => (w.state === 'writable' ? startErroring(w, e) : finishErroring(w));

function advance(w) {
  if (!w.started || w.inFlight !== null || w.closeInFlight !== null) return;
  if (w.state === 'erroring') return finishErroring(w);
  if (w.queue.length === 0 || w.state !== 'writable') return;
  const [chunk, size] = w.queue[0];
  if (chunk === CLOSE) {
    w.queue.shift();
    const d = w.closeInFlight = w.closeRequest;
    w.closeRequest = null;
    attempt(w.close).then(() => {
      w.closeInFlight = null;
      d.resolve();
      if (w.state === 'erroring') {
        w.error = undefined;
        w.pendingAbort?.resolve();
        w.pendingAbort = null;
      }
      w.state = 'closed';
      w.closed?.resolve();
    }, (e) => {
      w.closeInFlight = null;
      d.reject(e);
      w.pendingAbort?.reject(e);
      w.pendingAbort = null;
      lostWrite(w, e);
    });
    return;
  }
  const d = w.inFlight = w.writes.shift();
  attempt(w.write, chunk, w.controller).then(() => {
    w.inFlight = null;
    d.resolve();
    w.queue.shift();
    w.total = w.queue.length === 0 ? 0 : w.total - size;
    if (!closing(w) && w.state === 'writable') pressure(w);
    advance(w);
  }, (e) => {
    w.inFlight = null;
    d.reject(e);
    lostWrite(w, e);
  });
}

function write(w, chunk) {
  let size = 1;
  try {
    size = measure(w.size, chunk);
  } catch (e) {
    if (w.state === 'writable') startErroring(w, e);
    return rejected(e);
  }
  if (w.state === 'errored' || w.state === 'erroring') return rejected(w.error);
  if (w.state === 'closed' || closing(w)) return rejected(new TypeError('the stream is closed'));
  const d = deferred();
  w.writes.push(d);
  w.queue.push([chunk, size]);
  w.total += size;
  pressure(w);
  advance(w);
  return d.promise;
}

function closeWritable(w) {
  if (w.state === 'closed' || w.state === 'errored') return rejected(new TypeError('the stream is closed'));
  if (closing(w)) return rejected(new TypeError('the stream is being closed'));
  const d = w.closeRequest = deferred();
  if (w.writer !== null && w.full && w.state === 'writable') w.ready.resolve();
  w.queue.push([CLOSE, 0]);
  advance(w);
  return d.promise;
}

function abortWritable(w, reason) {
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  w.aborter.abort(reason);
  if (w.state === 'closed' || w.state === 'errored') return Promise.resolve();
  if (w.pendingAbort !== null) return w.pendingAbort.promise;
  const erroring = w.state === 'erroring';
  w.pendingAbort = { ...deferred(), reason: erroring ? undefined : reason, erroring };
  const { promise } = w.pendingAbort;
  if (!erroring) startErroring(w, reason);
  return promise;
}
