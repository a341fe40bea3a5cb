// Event, EventTarget, AbortController and AbortSignal, after the DOM Standard.

const { tagged, domException } = shared;

let mark; // what dispatch does to an event's private parts

class Event {
  #type; #bubbles; #cancelable; #composed;
  #target = null; #current = null; #phase = 0;
  #stop = false; #stopNow = false; #canceled = false; #passive = false; #dispatching = false;
  #trusted = false;
  #time = shared.now();
  constructor(type, init) {
    if (arguments.length === 0) throw new TypeError('Event: 1 argument is needed');
    this.#type = `${type}`;
    this.#bubbles = Boolean(init?.bubbles);
    this.#cancelable = Boolean(init?.cancelable);
    this.#composed = Boolean(init?.composed);
  }
  static {
    mark = {
      __proto__: null,
      is: (e) => typeof e === 'object' && e !== null && #type in e,
      busy: (e) => e.#dispatching,
      begin(e, target) { e.#dispatching = true; e.#target = e.#current = target; e.#phase = 2; },
      end(e) {
        e.#dispatching = e.#stop = e.#stopNow = false;
        e.#current = null;
        e.#phase = 0;
        return !e.#canceled;
      },
      passive(e, is) { e.#passive = is; },
      stopped: (e) => e.#stopNow,
    };
  }
  get type() { return this.#type; }
  get target() { return this.#target; }
  get srcElement() { return this.#target; }
  get currentTarget() { return this.#current; }
  get eventPhase() { return this.#phase; }
  get bubbles() { return this.#bubbles; }
  get cancelable() { return this.#cancelable; }
  get composed() { return this.#composed; }
  get timeStamp() { return this.#time; }
  get isTrusted() { return this.#trusted; }
  get defaultPrevented() { return this.#canceled; }
  get returnValue() { return !this.#canceled; }
  set returnValue(v) { if (this.#cancelable && !v && !this.#passive) this.#canceled = true; }
  get cancelBubble() { return this.#stop; }
  set cancelBubble(v) { this.#stop ||= Boolean(v); }
  composedPath() { return this.#current === null ? [] : [this.#current]; }
  preventDefault() { if (this.#cancelable && !this.#passive) this.#canceled = true; }
  stopPropagation() { this.#stop = true; }
  stopImmediatePropagation() { this.#stop = this.#stopNow = true; }
}
const phases = ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'];
for (let i = 0; i < phases.length; i++) {
  for (const on of [Event, Event.prototype]) Object.defineProperty(on, phases[i], { value: i, enumerable: true });
}

class CustomEvent extends Event {
  #detail;
  constructor(type, init) { super(type, init); this.#detail = init?.detail ?? null; }
  get detail() { return this.#detail; }
}
class ErrorEvent extends Event {
  #init;
  constructor(type, init) { super(type, init); this.#init = { ...init }; }
  get message() { return `${this.#init.message ?? ''}`; }
  get filename() { return `${this.#init.filename ?? ''}`; }
  get lineno() { return Number(this.#init.lineno ?? 0); }
  get colno() { return Number(this.#init.colno ?? 0); }
  get error() { return this.#init.error; }
}
class MessageEvent extends Event {
  #init;
  constructor(type, init) { super(type, init); this.#init = { ...init }; }
  get data() { return this.#init.data ?? null; }
  get origin() { return `${this.#init.origin ?? ''}`; }
  get lastEventId() { return `${this.#init.lastEventId ?? ''}`; }
  get source() { return this.#init.source ?? null; }
  get ports() { return this.#init.ports ?? []; }
}
class PromiseRejectionEvent extends Event {
  #init;
  constructor(type, init) {
    super(type, init);
    if (!('promise' in (init ?? {}))) throw new TypeError('PromiseRejectionEvent: promise is needed');
    this.#init = { ...init };
  }
  get promise() { return this.#init.promise; }
  get reason() { return this.#init.reason; }
}

class EventTarget {
  #listeners = [];
  addEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError('addEventListener: 2 arguments are needed');
    const bag = typeof options === 'object' && options !== null ? options : { capture: options };
    type = `${type}`;
    const capture = Boolean(bag.capture);
    const signal = bag.signal;
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('addEventListener: signal must be an AbortSignal');
    if (callback === null || callback === undefined || signal?.aborted) return;
    if (typeof callback !== 'function' && typeof callback !== 'object') {
      throw new TypeError('addEventListener: the callback must be a function or an object');
    }
    if (this.#listeners.some((l) => l.type === type && l.callback === callback && l.capture === capture)) return;
    const listener = { type, callback, capture, once: Boolean(bag.once), passive: Boolean(bag.passive), removed: false };
    this.#listeners.push(listener);
    if (signal !== undefined) onAbort(signal, () => this.#remove(listener));
  }
  removeEventListener(type, callback, options) {
    if (arguments.length < 2) throw new TypeError('removeEventListener: 2 arguments are needed');
    const capture = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
    type = `${type}`;
    const found = this.#listeners.find((l) => l.type === type && l.callback === callback && l.capture === capture);
    if (found !== undefined) this.#remove(found);
  }
  #remove(listener) {
    listener.removed = true;
    this.#listeners = this.#listeners.filter((l) => l !== listener);
  }
  dispatchEvent(event) {
    if (!mark.is(event)) throw new TypeError('dispatchEvent: the argument must be an Event');
    if (mark.busy(event)) throw domException('InvalidStateError', 'the event is being dispatched');
    mark.begin(event, this);
    const all = this.#listeners;
    for (const l of [...all.filter((l) => l.capture), ...all.filter((l) => !l.capture)]) {
      if (l.removed || l.type !== event.type) continue;
      if (l.once) this.#remove(l);
      mark.passive(event, l.passive);
      try {
        if (typeof l.callback === 'function') l.callback.call(this, event);
        else l.callback.handleEvent(event);
      } catch (e) {
        shared.report(e);
      }
      mark.passive(event, false);
      if (mark.stopped(event)) break;
    }
    return mark.end(event);
  }
}

const token = {};
let onAbort; // onAbort(signal, callback): called before the event is dispatched
let abort;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason = undefined;
  #callbacks = [];
  #onabort = null;
  #attribute = null;
  constructor(secret) {
    if (secret !== token) throw new TypeError('Illegal constructor');
    super();
  }
  static {
    onAbort = (signal, callback) => { signal.#callbacks.push(callback); };
    abort = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? domException('AbortError', 'This operation was aborted') : reason;
      const callbacks = signal.#callbacks;
      signal.#callbacks = [];
      for (const callback of callbacks) callback(signal.#reason);
      signal.dispatchEvent(new Event('abort'));
    };
  }
  static abort(reason) {
    const signal = new AbortSignal(token);
    abort(signal, reason);
    return signal;
  }
  static timeout(ms) {
    const n = Number(ms);
    if (!(n >= 0 && n <= Number.MAX_SAFE_INTEGER)) throw new TypeError('AbortSignal.timeout: a number of milliseconds is needed');
    const signal = new AbortSignal(token);
    shared.startTimer(() => abort(signal, domException('TimeoutError', 'The operation timed out')), Math.min(n, 2147483647), [], false);
    return signal;
  }
  static any(signals) {
    const all = [...signals];
    const signal = new AbortSignal(token);
    for (const s of all) if (!(s instanceof AbortSignal)) throw new TypeError('AbortSignal.any: each value must be an AbortSignal');
    const already = all.find((s) => s.aborted);
    if (already !== undefined) abort(signal, already.reason);
    else for (const s of all) onAbort(s, (reason) => abort(signal, reason));
    return signal;
  }
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() { if (this.#aborted) throw this.#reason; }
  get onabort() { return this.#onabort; }
  set onabort(v) {
    this.#onabort = typeof v === 'function' ? v : null;
    if (this.#attribute === null && this.#onabort !== null) {
      this.#attribute = (e) => this.#onabort?.call(this, e);
      this.addEventListener('abort', this.#attribute);
    }
  }
}

class AbortController {
  #signal = new AbortSignal(token);
  get signal() { return this.#signal; }
  abort(reason) { abort(this.#signal, reason); }
}

return {
  ...tagged({
    __proto__: null, Event, CustomEvent, ErrorEvent, MessageEvent, PromiseRejectionEvent, EventTarget, AbortSignal, AbortController,
  }),
  onAbort,
};
