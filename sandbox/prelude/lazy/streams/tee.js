// A ReadableStream as two.

function tee(stream, r) {
  const reader = new ReadableStreamDefaultReader(stream);
  const branches = [];
  const canceled = [false, false];
  const reasons = [];
  const done = deferred();
  let busy = false;
  let again = false;
  const pullBoth = () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    reader.read().then(({ value, done: ended }) => {
      busy = false;
      for (let i = 0; i < 2; i++) {
        if (canceled[i]) continue;
        const branch = stateOf(branches[i]);
        if (branch.state !== 'readable' || branch.closing) continue;
        if (ended) closeReadable(branch);
        else enqueue(branch, r.bytes ? value.slice() : value);
      }
      if (ended) done.resolve();
      else if (again) {
        again = false;
        pullBoth();
      }
    }, noop);
  };
  const cancelOne = (i) => (reason) => {
    canceled[i] = true;
    reasons[i] = reason;
    if (canceled[0] && canceled[1]) cancel(r, reasons).then(done.resolve, done.reject);
    return done.promise;
  };
  for (let i = 0; i < 2; i++) {
    branches[i] = new ReadableStream({ type: r.bytes ? 'bytes' : undefined, pull: pullBoth, cancel: cancelOne(i) });
  }
  reader.closed.catch((e) => {
    for (const branch of branches) fail(stateOf(branch), e);
    done.resolve();
  });
  return branches;
}
