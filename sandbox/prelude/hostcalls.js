// Host calls: how JavaScript asks Go for what it cannot do itself.

// live is false while the top level runs: what it does ends in the snapshot
// of every later invocation, and an effect cannot.
let live = false;
let outstanding = ownMap();
let lastCall = 0;
let runs = 0; // invocations so far: with warm isolation an instance sees several

function needLive(what) {
  if (!live) throw new ErrorClass(what + ' cannot be used at top level: call it from the function');
}

// shorten drops trailing undefined, so that Go sees a missing argument.
function shorten(args) {
  let n = args.length;
  while (n > 0 && args[n - 1] === undefined) n--;
  args.length = n;
}

// [0, value], [2, packed value], [1, failure] or [0] for undefined.
const open = (answer, site) => {
  if (answer[0] === 0) return answer[1];
  if (answer[0] === 2) return unpack(answer[1]);
  throw exception(answer[1], site);
};

function hostCall(index, args, name) {
  needLive(name);
  shorten(args);
  const site = new ErrorClass().stack;
  if (!host(CALL, index, ++lastCall, args, site)) {
    lastCall--; // Packing may run code that makes calls of its own.
    const packed = pack(args, 'arguments');
    host(CALL, index, ++lastCall, packed, site);
  }
  const id = lastCall;
  return new PromiseClass((resolve, reject) => { outstanding.set(id, { __proto__: null, resolve, reject, site }); });
}

// startCall also gives the call's number, for cancelCall.
function startCall(index, args, name) {
  const promise = hostCall(index, args, name);
  return { __proto__: null, id: lastCall, promise };
}

// control acts on what an earlier call began: kind is a place in ipc.Controls,
// number the stream's or the call's.
function control(kind, number, buffer, offset, length) {
  const id = ++lastCall;
  return new PromiseClass((resolve, reject) => {
    outstanding.set(id, { __proto__: null, resolve, reject });
    if (host(CONTROL, kind, id, number, buffer, offset, length)) return;
    outstanding.delete(id);
    reject(new TypeErrorClass('the bytes are on memory that cannot be sent: a SharedArrayBuffer, or one that was detached'));
  });
}

const cancelCall = (id) => control(5, id);

// finish is the answer to the HTTP request that the invocation is for, and its
// result: head is the status, the names and values of the headers, each on a line
// of its own, and an empty line; body is text or a Uint8Array.
function finish(head, body) {
  if (!(typeof body === 'string' ? host(RESPOND, 0, 0, head, body) : send(0, head, body, 0))) throw new TypeErrorClass('the answer is too large');
}

// respond begins the answer: with all of it or, where stream is the number of the
// body's stream, without a body.
function respond(head, body, stream = 0) {
  const id = ++lastCall;
  return new PromiseClass((resolve, reject) => {
    outstanding.set(id, { __proto__: null, resolve, reject });
    if (send(id, head, body, stream)) return;
    outstanding.delete(id);
    reject(new TypeErrorClass('the answer is too large'));
  });
}

const send = (id, head, body, stream) => (typeof body === 'string'
  ? host(RESPOND, id, stream, head, body) : host(RESPOND, id, stream, head, body.buffer, body.byteOffset, body.byteLength));

// clientGone waits for the client to leave.
const clientGone = () => control(7, 0);

// hostStream is one of the invocation's byte streams, by its number. read gives
// an ArrayBuffer, undefined at the end; write takes at most MAX_PIECE bytes.
function hostStream(number) {
  const id = number | 0; // parsed JSON's numbers are floats
  const run = runs;
  const act = (kind, buffer, offset, length) => {
    if (run === runs) return control(kind, id, buffer, offset, length);
    return new PromiseClass((_, reject) => reject(new TypeErrorClass('the stream ended with its invocation')));
  };
  return {
    __proto__: null, id,
    read: () => act(1),
    write: (buffer, offset, length) => act(2, buffer, offset, length),
    close: () => act(3),
    cancel: () => act(4),
  };
}

const MAX_PIECE = 65536;
const openStream = () => apply(promiseThen, control(0, 0), [hostStream]);

function hostCallSync(index, args, name) {
  needLive(name);
  shorten(args);
  let answer = host(CALL_SYNC, index, ++lastCall, args);
  if (answer === false) {
    lastCall--;
    const packed = pack(args, 'arguments');
    answer = host(CALL_SYNC, index, ++lastCall, packed);
  }
  return open(answer);
}

// settle is called by Go with a host call's answer: an envelope, or bytes.
function settle(id, answer, isData) {
  const call = outstanding.get(id);
  if (call === undefined) return;
  outstanding.delete(id);
  if (isData) call.resolve(plain(answer));
  else if (answer[0] === 0) call.resolve(plain(answer[1]));
  else if (answer[0] === 2) settlePacked(call, answer[1]);
  else call.reject(exception(answer[1], call.site));
}

function settlePacked(call, packed) {
  let value;
  try {
    value = unpack(packed);
  } catch (e) {
    return call.reject(e);
  }
  call.resolve(plain(value));
}

// plain shields a host call's result from Object.prototype.then: resolve()
// would take an object for a promise. One of its own is data.
function plain(value) {
  if (typeof value !== 'object' || value === null || !('then' in value)) return value;
  if (getOwnPropertyDescriptor(value, 'then') === undefined) hide(value, 'then', undefined);
  return value;
}
