import EventEmitter, { once } from 'events';

const base64 = (await import('events')).EventEmitter === EventEmitter;

export default async () => {
  const log = [];
  const e = new EventEmitter();
  e.on('newListener', (name) => log.push('new ' + name));
  e.on('a', (x) => log.push('on ' + x));
  e.once('a', (x) => log.push('once ' + x));
  e.prependListener('a', () => log.push('first'));
  log.push(e.emit('a', 1), e.emit('a', 2), e.emit('none'));
  const f = () => log.push('f');
  e.on('b', f);
  e.on('b', f);
  e.off('b', f);
  log.push(e.listenerCount('b'), e.eventNames());
  e.once('c', f);
  log.push(e.listeners('c')[0] === f, e.rawListeners('c')[0] === f);
  try {
    e.emit('error', new Error('thrown'));
  } catch (x) {
    log.push(x.message);
  }
  try {
    e.emit('error', 5);
  } catch (x) {
    log.push(x.message, x.code);
  }
  try {
    e.on('x', 5);
  } catch (x) {
    log.push(x.name, x.code);
  }
  class Child extends EventEmitter {}
  const child = new Child();
  child.on('q', function () { log.push(this === child); });
  child.emit('q');
  // Removing while it is called does not skip anyone.
  const g = () => { child.off('r', g); log.push('g'); };
  child.on('r', g).on('r', () => log.push('after g'));
  child.emit('r');
  function Old() { EventEmitter.call(this); }
  Object.setPrototypeOf(Old.prototype, EventEmitter.prototype);
  const old = new Old();
  old.on('z', (...args) => log.push(args));
  old.emit('z', 1, 2);
  queueMicrotask(() => child.emit('ready', 7));
  log.push(await once(child, 'ready'), base64);
  e.removeAllListeners();
  log.push(e.eventNames().length, EventEmitter.defaultMaxListeners, e.setMaxListeners(3).getMaxListeners());
  return log;
};
