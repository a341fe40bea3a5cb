const collect = async (stream) => { let out = ''; for await (const chunk of stream) { ok(chunk instanceof Uint8Array); out += new TextDecoder().decode(chunk) + '|'; } return out; };
test('a body comes in pieces', async () => {
  const r = await fetch('http://h/pieces'); ok(!r.bodyUsed); eq(await collect(r.body), 'one|two|three|'); ok(r.bodyUsed); await rejects(r.text(), 'TypeError');
  eq(await (await fetch('http://h/pieces')).text(), 'onetwothree'); eq(hex(await (await fetch('http://h/pieces')).bytes()), hex(utf8('onetwothree'))); eq((await (await fetch('http://h/pieces')).arrayBuffer()).byteLength, 11);
  eq((await (await fetch('http://h/pieces')).blob()).size, 11); eq(await (await fetch('http://h/json')).json(), { a: ['é'] }); eq((await (await fetch('http://h/form')).formData()).get('a'), 'b c'); eq((await (await fetch('http://h/none')).bytes()).length, 0);
});
test('read into a buffer', async () => {
  const reader = (await fetch('http://h/pieces')).body.getReader({ mode: 'byob' }); let got = '';
  for (;;) { const { value, done } = await reader.read(new Uint8Array(2)); if (done) break; got += new TextDecoder().decode(value); } eq(got, 'onetwothree');
});
test('clones read the same', async () => {
  const a = await fetch('http://h/pieces'); const b = a.clone(); eq(await a.text(), 'onetwothree'); eq(await collect(b.body), 'one|two|three|');
  const c = await fetch('http://h/pieces'); const d = c.clone(); await Promise.all([c.body.cancel(), d.body.cancel()]);
});
test('canceled', async () => {
  const r = await fetch('http://h/endless'); await r.body.cancel('enough'); ok(r.bodyUsed); await rejects(r.text(), 'TypeError');
  for await (const chunk of (await fetch('http://h/endless')).body) break;
  const reader = (await fetch('http://h/endless')).body.getReader(); await reader.read(); await reader.cancel(); eq((await reader.read()).done, true);
});
test('a failure in the middle', async () => {
  await rejects((await fetch('http://h/cut')).text(), 'TypeError'); const reader = (await fetch('http://h/cut')).body.getReader(); eq((await reader.read()).value.length, 4);
  const e = await rejects(reader.read(), 'TypeError'); ok(e.message.includes('cut'), e.message); await rejects(reader.closed, 'TypeError');
});
test('aborted after the headers', async () => {
  const c = new AbortController(); const r = await fetch('http://h/endless', { signal: c.signal }); const reader = r.body.getReader(); await reader.read(); c.abort(new RangeError('mine')); await rejects(reader.read(), 'RangeError');
  const d = new AbortController(); const s = await fetch('http://h/stuck', { signal: d.signal }); const p = s.text(); d.abort(); await rejects(p, 'AbortError');
  const e = new AbortController(); const t = await fetch('http://h/stuck', { signal: e.signal }); e.abort(); await rejects(t.text(), 'AbortError'); const f = new AbortController(); const u = await fetch('http://h/pieces', { signal: f.signal }); eq(await u.text(), 'onetwothree'); f.abort();
});
const c2 = () => { const c = new AbortController(); setTimeout(() => c.abort(), 5); return c.signal; };
test('a body is written as it is taken', async () => {
  let pulls = 0; const body = new ReadableStream({ pull(c) { if (pulls++ < 5) c.enqueue(utf8('x' + pulls)); else c.close(); } }, { highWaterMark: 0 });
  eq(await (await fetch('http://h/upload', { method: 'POST', body, duplex: 'half' })).text(), 'unsized:x1x2x3x4x5'); eq(pulls, 6);
  eq(await (await fetch('http://h/upload', { method: 'PUT', body: 'é'.repeat(40000) })).text(), 'inline:' + 'é'.repeat(40000)); eq((await (await fetch('http://h/upload', { method: 'PUT', body: 'é'.repeat(70000) })).text()).length, 'sized 140000:'.length + 70000);
  const sized = await (await fetch('http://h/upload', { method: 'PUT', body: new Uint8Array(300000).fill(97) })).text(); eq([sized.length, sized.slice(0, 15)], ['sized 300000:'.length + 300000, 'sized 300000:aa']);
  const part = new Uint8Array(100000).fill(98).subarray(10, 20); eq(await (await fetch('http://h/upload', { method: 'PUT', body: ReadableStream.from([part]), duplex: 'half' })).text(), 'unsized:bbbbbbbbbb');
  eq(await (await fetch('http://h/upload', { method: 'PUT', body: (await fetch('http://h/pieces')).body, duplex: 'half' })).text(), 'unsized:onetwothree'); throws(() => new Request('http://h/', { method: 'PUT', body: new ReadableStream(), duplex: 'full' }), 'TypeError');
});
test('backpressure', async () => {
  let pulls = 0; const body = new ReadableStream({ pull(c) { pulls++; c.enqueue(new Uint8Array(1000)); } }, { highWaterMark: 0 });
  const c = new AbortController(); const p = fetch('http://h/takes-one', { method: 'POST', body, duplex: 'half', signal: c.signal }); setTimeout(() => c.abort(), 30); await rejects(p, 'AbortError'); ok(pulls <= 3, 'pulled ' + pulls + ' times');
});
test('an upload that goes wrong', async () => {
  let reason; const bad = (chunk) => new ReadableStream({ pull(c) { c.enqueue(chunk); }, cancel(r) { reason = r; } });
  const e = await rejects(fetch('http://h/upload', { method: 'POST', body: bad('text'), duplex: 'half' }), 'TypeError'); eq(e.cause.message, 'a chunk of a body must be a Uint8Array'); eq(reason, e.cause);
  const f = await rejects(fetch('http://h/upload', { method: 'POST', body: new ReadableStream({ pull() { throw new RangeError('source'); } }), duplex: 'half' }), 'TypeError'); eq(f.cause.message, 'source');
  reason = undefined; await rejects(fetch('http://h/refuses', { method: 'POST', body: bad(new Uint8Array(9)), duplex: 'half' }), 'PermissionError'); ok(reason !== undefined, 'the source was told');
  const used = new Request('http://h/upload', { method: 'POST', body: bad(new Uint8Array(1)), duplex: 'half' }); const q = new Request(used); ok(used.bodyUsed && !q.bodyUsed); await rejects(fetch(used), 'TypeError'); await q.body.cancel();
});
test('the host is left in order', async () => { await rejects(fetch('http://h/slow-headers', { signal: c2() }), 'AbortError'); });
test('parts that are made when they are asked for', async () => {
  const r = new Response('x');
  ok(r.headers === r.headers && r.body === r.body);
  r.headers.append('x-a', '1');
  eq([r.clone().headers.get('x-a'), r.headers.get('content-type')], ['1', 'text/plain;charset=UTF-8']);
  eq(await r.text(), 'x');
  ok(r.bodyUsed);
  throws(() => r.clone(), 'TypeError');
  await rejects(r.json(), 'TypeError');
  const none = new Response(null);
  eq([none.body, none.bodyUsed, await none.text(), none.bodyUsed], [null, false, '', false]);
  const j = Response.json({ a: 1 }, { status: 201, statusText: 'Made', headers: { 'Content-Type': 'application/x+json', 'x-b': ' 2 ' } });
  eq([j.status, j.statusText, j.headers.get('content-type'), j.headers.get('x-b'), j.ok, j.type, j.url, j.redirected], [201, 'Made', 'application/x+json', '2', true, 'default', '', false]);
  eq(await j.json(), { a: 1 });
  throws(() => Response.json(undefined), 'TypeError');
  throws(() => Response.json(1, { status: 204 }), 'TypeError');
  throws(() => new Response('', { status: 204 }), 'TypeError');
  throws(() => new Response('', { headers: { 'a b': '1' } }), 'TypeError');
  throws(() => Object.getOwnPropertyDescriptor(Response.prototype, 'status').get.call({}), 'TypeError');
  throws(() => Response.error().headers.set('a', 'b'), 'TypeError');
  class My extends Response { get twice() { return this.status * 2; } }
  eq(new My('', { status: 201 }).twice, 402);
  const q = new Request('http://h/', { method: 'post', body: 'b', headers: [['A', '1'], ['a', '2']] });
  eq([q.method, q.headers.get('A'), q.headers.get('content-type')], ['POST', '1, 2', 'text/plain;charset=UTF-8']);
  const c = q.clone(), n = new Request(q, { method: 'PUT' });
  eq([q.bodyUsed, n.method, await n.text(), await c.text()], [true, 'PUT', 'b', 'b']);
});
test('Headers as a list', () => {
  const h = new Headers({ b: '1' });
  h.append('A', 'x'); h.append('a', 'y'); h.append('B', '2'); h.append('set-cookie', 'p'); h.append('Set-Cookie', 'q');
  eq([...h], [['a', 'x, y'], ['b', '1, 2'], ['set-cookie', 'p'], ['set-cookie', 'q']]);
  eq([h.getSetCookie(), h.get('set-cookie'), h.get('nope'), h.has('A')], [['p', 'q'], 'p, q', null, true]);
  h.set('b', '3');
  h.delete('A');
  eq([...h.keys()], ['b', 'set-cookie', 'set-cookie']);
  const copy = new Headers(h); copy.set('b', '4'); eq(h.get('b'), '3');
  h.set('x', '\t v \n'); eq(h.get('x'), 'v');
  h.set('x', ''); eq(h.get('x'), '');
  for (const bad of ['a\nb', 'a\0', '\u20ac']) throws(() => h.set('x', bad), 'TypeError');
  for (const bad of ['', 'a b', 'é', 'a:']) throws(() => h.has(bad), 'TypeError');
});
