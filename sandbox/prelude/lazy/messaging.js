// MessageChannel and MessagePort, after the HTML Standard, within an instance.
// A message is delivered as a timer is: after the microtasks, one at a time.

const { tagged } = shared;
const { EventTarget, MessageEvent } = shared.use('events');
const { structuredClone } = shared.use('clone');

const token = {};
let entangle;

class MessagePort extends EventTarget {
  #other = null;
  #queue = [];
  #started = false;
  #handlers = { __proto__: null };
  constructor(secret) {
    if (secret !== token) throw new TypeError('Illegal constructor');
    super();
  }
  static {
    entangle = (a, b) => {
      a.#other = b;
      b.#other = a;
    };
  }
  postMessage(message, options) {
    if (arguments.length === 0) throw new TypeError('postMessage: 1 argument is needed');
    shared.needLive('postMessage');
    const transfer = typeof options === 'object' && options !== null && typeof options[Symbol.iterator] === 'function' ? options : options?.transfer;
    const copy = structuredClone(message, { transfer });
    const to = this.#other;
    if (to === null) return;
    to.#queue.push(copy);
    if (to.#started) to.#arm();
  }
  start() {
    if (this.#started) return;
    this.#started = true;
    for (let i = 0; i < this.#queue.length; i++) this.#arm();
  }
  close() {
    const other = this.#other;
    if (other === null) return;
    this.#other = other.#other = null;
    this.#queue = [];
  }
  #arm() {
    shared.startTimer(() => {
      if (this.#queue.length > 0) this.dispatchEvent(new MessageEvent('message', { data: this.#queue.shift() }));
    }, 0, [], false);
  }
  #handle(type, handler) {
    handler = typeof handler === 'function' ? handler : null;
    if (this.#handlers[type] === undefined && handler !== null) this.addEventListener(type, (e) => this.#handlers[type]?.call(this, e));
    this.#handlers[type] = handler;
  }
  get onmessage() { return this.#handlers.message ?? null; }
  set onmessage(v) {
    this.#handle('message', v);
    this.start();
  }
  get onmessageerror() { return this.#handlers.messageerror ?? null; }
  set onmessageerror(v) { this.#handle('messageerror', v); }
}

class MessageChannel {
  #ports = [new MessagePort(token), new MessagePort(token)];
  constructor() { entangle(...this.#ports); }
  get port1() { return this.#ports[0]; }
  get port2() { return this.#ports[1]; }
}

return tagged({ __proto__: null, MessageChannel, MessagePort });
