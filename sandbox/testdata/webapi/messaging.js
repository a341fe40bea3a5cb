const next = (port) => new Promise((r) => port.addEventListener('message', r, { once: true }));
test('messages', async () => {
  const { port1, port2 } = new MessageChannel(); const sent = { a: [1], d: new Date(0), m: new Map([[1, 2]]) }; port1.postMessage(sent); sent.a.push(2);
  const got = next(port2); port2.start(); const e = await got; eq(e.data.a, [1]); eq(e.data.m.get(1), 2); eq(e.type, 'message'); ok(e instanceof MessageEvent); ok(e.target === port2); eq(e.ports, []);
  const order = []; port1.onmessage = (m) => { order.push(m.data); queueMicrotask(() => order.push('micro')); }; port2.postMessage(1); port2.postMessage(2); order.push('sync'); await new Promise((r) => setTimeout(r, 20)); eq(order, ['sync', 1, 'micro', 2, 'micro']);
  port1.onmessage = null; eq(port1.onmessage, null); port2.postMessage(3); await new Promise((r) => setTimeout(r, 5)); eq(order.length, 5);
});
test('transfer, close and what cannot be sent', async () => {
  const { port1, port2 } = new MessageChannel(); const b = new ArrayBuffer(4); port1.postMessage(b, [b]); eq(b.byteLength, 0); const got = next(port2); port2.start(); eq((await got).data.byteLength, 4);
  const c = new ArrayBuffer(2); port1.postMessage(c, { transfer: [c] }); eq(c.detached, true);
  throws(() => port1.postMessage(() => {}), 'DataCloneError'); throws(() => port1.postMessage(port2), 'DataCloneError'); throws(() => port1.postMessage(), 'TypeError'); throws(() => new MessagePort(), 'TypeError');
  let seen = 0; port2.onmessage = () => { seen++; }; port1.postMessage(1); port2.close(); port1.postMessage(2); await new Promise((r) => setTimeout(r, 10)); eq(seen, 0); port1.close();
  throws(() => MessagePort.prototype.postMessage.call({}, 1), 'TypeError'); eq(Object.prototype.toString.call(port1), '[object MessagePort]');
});
