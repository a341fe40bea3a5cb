// EventEmitter, as https://nodejs.org/api/events.html describes it, without
// domains, capture of rejections and the functions on EventTarget.
'use strict';

function EventEmitter() {
  init(this);
}

function init(emitter) {
  if (!Object.hasOwn(emitter, '_events') || !emitter._events) emitter._events = new Map();
}

function table(emitter) {
  if (!(emitter._events instanceof Map) || !Object.hasOwn(emitter, '_events')) emitter._events = new Map();
  return emitter._events;
}

function check(listener) {
  if (typeof listener !== 'function') {
    const e = new TypeError('The "listener" argument must be of type function. Received ' + (listener === null ? 'null' : 'type ' + typeof listener));
    e.code = 'ERR_INVALID_ARG_TYPE';
    throw e;
  }
}

function add(emitter, name, listener, first) {
  check(listener);
  const events = table(emitter);
  if (events.has('newListener')) emitter.emit('newListener', name, listener.listener ?? listener);
  const list = events.get(name) ?? [];
  // A list that is being called is never changed.
  events.set(name, first ? [listener, ...list] : [...list, listener]);
  return emitter;
}

function onceWrapper(emitter, name, listener) {
  check(listener);
  function wrapper(...args) {
    emitter.removeListener(name, wrapper);
    return listener.apply(emitter, args);
  }
  wrapper.listener = listener;
  return wrapper;
}

const methods = {
  on(name, listener) { return add(this, name, listener, false); },
  addListener(name, listener) { return add(this, name, listener, false); },
  prependListener(name, listener) { return add(this, name, listener, true); },
  once(name, listener) { return add(this, name, onceWrapper(this, name, listener), false); },
  prependOnceListener(name, listener) { return add(this, name, onceWrapper(this, name, listener), true); },
  off(name, listener) { return this.removeListener(name, listener); },
  removeListener(name, listener) {
    check(listener);
    const events = table(this);
    const list = events.get(name) ?? [];
    const i = list.findLastIndex((l) => l === listener || l.listener === listener);
    if (i < 0) return this;
    if (list.length === 1) events.delete(name);
    else events.set(name, list.toSpliced(i, 1));
    if (events.has('removeListener')) this.emit('removeListener', name, listener);
    return this;
  },
  removeAllListeners(name) {
    if (arguments.length === 0) table(this).clear();
    else table(this).delete(name);
    return this;
  },
  emit(name, ...args) {
    const list = table(this).get(name);
    if (!list) {
      if (name !== 'error') return false;
      if (args[0] instanceof Error) throw args[0];
      const e = new Error('Unhandled error. (' + String(args[0]) + ')');
      e.code = 'ERR_UNHANDLED_ERROR';
      e.context = args[0];
      throw e;
    }
    for (const listener of list) listener.apply(this, args);
    return true;
  },
  listenerCount(name) { return (table(this).get(name) ?? []).length; },
  listeners(name) { return (table(this).get(name) ?? []).map((l) => l.listener ?? l); },
  rawListeners(name) { return [...(table(this).get(name) ?? [])]; },
  eventNames() { return [...table(this).keys()]; },
  setMaxListeners(n) { this._maxListeners = n; return this; },
  getMaxListeners() { return this._maxListeners ?? EventEmitter.defaultMaxListeners; },
};
for (const name of Object.keys(methods)) {
  Object.defineProperty(EventEmitter.prototype, name, { value: methods[name], writable: true, configurable: true, enumerable: true });
}

EventEmitter.EventEmitter = EventEmitter;
EventEmitter.defaultMaxListeners = 10;
EventEmitter.errorMonitor = Symbol('events.errorMonitor');
EventEmitter.listenerCount = (emitter, name) => emitter.listenerCount(name);
EventEmitter.once = (emitter, name) => new Promise((resolve, reject) => {
  const failed = (e) => {
    emitter.removeListener(name, happened);
    reject(e);
  };
  const happened = (...args) => {
    emitter.removeListener('error', failed);
    resolve(args);
  };
  emitter.once(name, happened);
  if (name !== 'error') emitter.once('error', failed);
});

module.exports = EventEmitter;
