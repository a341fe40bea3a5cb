// A ReadableStream into a WritableStream.

function pipe(source, destination, options) {
  const keepOpen = Boolean(options?.preventClose);
  const noAbort = Boolean(options?.preventAbort);
  const noCancel = Boolean(options?.preventCancel);
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof shared.use('events').AbortSignal)) throw new TypeError('signal must be an AbortSignal');
  const r = stateOf(source);
  const w = writableOf(destination);
  const reader = new ReadableStreamDefaultReader(source);
  const writer = new WritableStreamDefaultWriter(destination);
  r.disturbed = true;
  return new Promise((resolve, reject) => {
    let over = false;
    let last = Promise.resolve();
    const settle = (failed, e) => {
      writer.releaseLock();
      reader.releaseLock();
      if (failed) reject(e);
      else resolve();
    };
    const shut = (action, failed, e) => {
      if (over) return;
      over = true;
      const go = () => {
        if (action === null) settle(failed, e);
        else action().then(() => settle(failed, e), (other) => settle(true, other));
      };
      if (w.state === 'writable' && !closing(w)) last.then(go, go);
      else go();
    };
    if (signal !== undefined) {
      const onAbort = () => {
        const e = signal.reason;
        shut(() => Promise.all([
          noAbort || w.state !== 'writable' ? undefined : abortWritable(w, e),
          noCancel || r.state !== 'readable' ? undefined : cancel(r, e),
        ]), true, e);
      };
      if (signal.aborted) return onAbort();
      shared.use('events').onAbort(signal, onAbort);
    }
    reader.closed.then(
      () => shut(keepOpen ? null : () => (closing(w) || w.state === 'closed' ? Promise.resolve()
        : w.state === 'errored' ? Promise.reject(w.error) : closeWritable(w)), false),
      (e) => shut(noAbort ? null : () => abortWritable(w, e), true, e));
    const lost = (e) => shut(noCancel ? null : () => cancel(r, e), true, e);
    writer.closed.then(() => lost(new TypeError('the destination is closed')), lost);
    const step = () => {
      if (over) return;
      writer.ready.then(() => {
        if (over) return;
        read(r, {
          chunk(value) {
            last = quiet(write(w, value));
            queueMicrotask(step);
          },
          close: noop, error: noop,
        });
      }, noop);
    };
    step();
  });
}
