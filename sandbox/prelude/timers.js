// setTimeout and its kin. When a timer is due is Go's to say.

let timers = new MapClass();
let lastTimer = 0;

function startTimer(callback, delay, args, repeat) {
  if (typeof callback !== 'function') throw new TypeError('the callback must be a function');
  needLive(repeat ? 'setInterval' : 'setTimeout');
  let ms = floor(toNumber(delay));
  if (!(ms >= 1)) ms = 1;
  if (ms > 2147483647) ms = 1;
  const id = ++lastTimer;
  if (host(TIMER, id, ms, repeat ? 1 : 0) !== true) {
    throw new RangeError('too many timers: an invocation may have 10,000 at once');
  }
  apply(mapSet, timers, [id, { __proto__: null, callback, args, repeat }]);
  return id;
}

function clearTimer(id) {
  if (apply(mapDelete, timers, [id])) host(CLEAR, id);
}

// timer is called by Go when a timer is due.
function timer(id) {
  const t = apply(mapGet, timers, [id]);
  if (t === undefined) return;
  if (!t.repeat) apply(mapDelete, timers, [id]);
  apply(t.callback, undefined, t.args);
}

const timerFunctions = {
  __proto__: null,
  setTimeout(callback, delay, ...args) { return startTimer(callback, delay, args, false); },
  setInterval(callback, delay, ...args) { return startTimer(callback, delay, args, true); },
  clearTimeout(id) { clearTimer(id); },
  clearInterval(id) { clearTimer(id); },
};
put(globalThis, 'queueMicrotask', queueMicrotask);
for (const name of ownKeys(timerFunctions)) put(globalThis, name, timerFunctions[name]);
