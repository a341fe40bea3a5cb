test('Headers', () => {
  const h = new Headers({ 'X-B': ' b ', A: 1 }); h.append('a', '2'); h.append('Set-Cookie', 'x=1'); h.append('set-cookie', 'y=2');
  eq([...h], [['a', '1, 2'], ['set-cookie', 'x=1'], ['set-cookie', 'y=2'], ['x-b', 'b']]); eq(h.get('A'), '1, 2'); eq(h.getSetCookie(), ['x=1', 'y=2']); eq(h.get('none'), null);
  h.set('a', '9'); eq(h.get('a'), '9'); h.delete('A'); eq(h.has('a'), false); eq([...new Headers([['q', 'w']]).entries()], [['q', 'w']]); eq([...new Headers(h).keys()], ['set-cookie', 'set-cookie', 'x-b']);
  for (const bad of ['', 'a b', 'ä', 'a:']) throws(() => h.get(bad), 'TypeError'); for (const bad of ['a\nb', 'a\0', '€']) throws(() => h.set('a', bad), 'TypeError'); throws(() => new Headers([['a']]), 'TypeError'); throws(() => new Headers(null), 'TypeError');
  const seen = []; h.forEach((v, k) => seen.push(k + v)); eq(seen, ['set-cookiex=1', 'set-cookiey=2', 'x-bb']);
});
test('Request', async () => {
  const r = new Request('http://h/p', { method: 'post', body: '{"a":1}', headers: { 'x-a': 'b' } }); eq([r.method, r.url, r.headers.get('content-type'), r.headers.get('x-a'), r.bodyUsed], ['POST', 'http://h/p', 'text/plain;charset=UTF-8', 'b', false]);
  const c = r.clone(); eq(await r.json(), { a: 1 }); ok(r.bodyUsed && !c.bodyUsed); eq(await c.text(), '{"a":1}'); await rejects(r.text(), 'TypeError');
  throws(() => new Request('/rel'), 'TypeError'); throws(() => new Request('http://u:p@h/'), 'TypeError'); throws(() => new Request('http://h', { body: 'x' }), 'TypeError'); throws(() => new Request('http://h', { method: 'TRACE' }), 'TypeError'); throws(() => r.clone(), 'TypeError');
  const a = new Request('http://h/', { method: 'PUT', body: 'x' }); const b = new Request(a, { headers: { y: 'z' } }); ok(a.bodyUsed); eq([b.method, await b.text(), b.headers.get('y')], ['PUT', 'x', 'z']); eq(new Request(new URL('http://h/u')).url, 'http://h/u');
  eq(new Request('http://h', { method: 'patch' }).method, 'patch'); eq([r.redirect, r.signal.aborted, r.credentials], ['follow', false, 'same-origin']); throws(() => new Request('http://h', { redirect: 'x' }), 'TypeError'); eq(new Request('http://h').body, null);
});
test('bodies', async () => {
  const type = (b) => new Response(b).headers.get('content-type'); const text = (b) => new Response(b).text();
  eq(type(new URLSearchParams('a=b')), 'application/x-www-form-urlencoded;charset=UTF-8'); eq(await text(new URLSearchParams('a=b c')), 'a=b+c'); eq(type(new Blob(['x'], { type: 'a/b' })), 'a/b'); eq(type(new Uint8Array(1)), null); ok(type(new FormData()).startsWith('multipart/form-data; boundary='));
  eq(await text(new Uint8Array([97, 98]).subarray(1)), 'b'); eq(await text(utf8('xyz').buffer), 'xyz'); eq(await text(new Blob(['é'])), 'é'); eq(await text('\ufeffa'), 'a'); eq(await text(ReadableStream.from([utf8('a'), utf8('b')])), 'ab'); eq(await text({}), '[object Object]');
  eq(hex(await new Response('é').bytes()), 'c3a9'); eq((await new Response('abc').arrayBuffer()).byteLength, 3); const blob = await new Response('abc', { headers: { 'content-type': 'X/Y' } }).blob(); eq([blob.size, blob.type], [3, 'x/y']);
  const r = new Response('stream'); const reader = r.body.getReader(); eq(new TextDecoder().decode((await reader.read()).value), 'stream'); eq((await reader.read()).done, true); ok(r.bodyUsed); await rejects(r.text(), 'TypeError'); eq(new Response().body, null);
  const s = new Response(ReadableStream.from([utf8('tee')])); const t = s.clone(); eq([await s.text(), await t.text()], ['tee', 'tee']); await rejects(new Response(ReadableStream.from(['text'])).text(), 'TypeError'); await rejects(new Response('{').json(), 'SyntaxError');
  const locked = new ReadableStream(); locked.getReader(); throws(() => new Response(locked), 'TypeError'); const u = new Response('x'); await u.text(); ok(u.body.locked || u.bodyUsed);
});
test('Response', async () => {
  const r = Response.json({ a: 1 }, { status: 201, headers: { x: 'y' } }); eq([r.status, r.ok, r.headers.get('content-type'), r.headers.get('x'), r.type], [201, true, 'application/json', 'y', 'default']); eq(await r.json(), { a: 1 });
  const d = Response.redirect('http://h/x', 301); eq([d.status, d.headers.get('location')], [301, 'http://h/x']); throws(() => d.headers.set('a', 'b'), 'TypeError'); throws(() => Response.redirect('http://h', 200), 'RangeError'); throws(() => Response.redirect('rel'), 'TypeError');
  eq([Response.error().type, Response.error().status], ['error', 0]); throws(() => new Response('x', { status: 204 }), 'TypeError'); throws(() => new Response('', { status: 600 }), 'RangeError'); throws(() => new Response('', { statusText: 'a\n' }), 'TypeError'); eq(new Response(null, { status: 204 }).status, 204); throws(() => Response.json(undefined), 'TypeError');
  eq(Object.prototype.toString.call(r), '[object Response]');
});
test('Blob and File', async () => {
  const b = new Blob(['a', utf8('bc'), new Blob(['d'])], { type: 'Text/Plain' }); eq([b.size, b.type, await b.text()], [4, 'text/plain', 'abcd']); eq(await b.slice(1, -1).text(), 'bc'); eq(await b.slice(-2).text(), 'cd'); eq(b.slice(0, 1, 'x/y').type, 'x/y'); eq(hex(await b.bytes()), '61626364');
  let n = 0; for await (const chunk of b.stream()) n += chunk.length; eq(n, 4); const f = new File(['x'], 'n', { lastModified: 5 }); ok(f instanceof Blob); eq([f.name, f.lastModified, f.size], ['n', 5, 1]); throws(() => new Blob('x'), 'TypeError'); throws(() => new File([]), 'TypeError'); eq(new Blob(['a\r\nb'], { endings: 'native' }).size, 3);
});
test('FormData', async () => {
  const f = new FormData(); f.append('a', 'é\n1'); f.append('q"', '2'); f.append('f', new Blob(['\x00\x01'], { type: 'a/b' }), 'x"y.bin'); f.append('a', '3'); eq(f.getAll('a'), ['é\n1', '3']); ok(f.get('f') instanceof File);
  const back = await new Response(f).formData(); eq([...back.keys()], ['a', 'q"', 'f', 'a']); eq(back.get('a'), 'é\r\n1'); const file = back.get('f'); eq([file.name, file.type, file.size], ['x"y.bin', 'a/b', 2]);
  eq([...(await new Response(new URLSearchParams('a=1&b=2')).formData())], [['a', '1'], ['b', '2']]); await rejects(new Response('x').formData(), 'TypeError'); await rejects(new Response('--x\r\njunk', { headers: { 'content-type': 'multipart/form-data; boundary=x' } }).formData(), 'TypeError');
  f.set('a', 'z'); eq(f.getAll('a'), ['z']); f.delete('f'); eq(f.has('f'), false); throws(() => f.append('x', 'y', 'z'), 'TypeError'); throws(() => new FormData({}), 'TypeError');
  const empty = await new Response('--b\r\nContent-Disposition: form-data; name="e"\r\n\r\n\r\n--b--\r\n', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }).formData(); eq(empty.get('e'), '');
});
test('fetch', async () => {
  const r = await fetch('http://h/echo', { method: 'POST', body: new Uint8Array([0xff, 0]) }); eq(r.status, 200); eq(await r.json(), ['http://h/echo', { method: 'POST', redirect: 'follow', headers: [], bodyBase64: '/wA=' }]);
  eq((await (await fetch(new Request('http://h/echo', { method: 'PUT', body: new URLSearchParams('a=b'), headers: { x: 'y' } }))).json())[1], { method: 'PUT', redirect: 'follow', headers: [['content-type', 'application/x-www-form-urlencoded;charset=UTF-8'], ['x', 'y']], body: 'a=b' });
  eq((await (await fetch('http://h/upload', { method: 'POST', body: ReadableStream.from([utf8('s')]), duplex: 'half' })).text()), 'unsized:s'); const bin = await fetch('http://h/binary'); eq(hex(await bin.bytes()), '00ff'); throws(() => bin.headers.set('a', 'b'), 'TypeError');
  let n = 0; for await (const c of (await fetch('http://h/binary')).body) n += c.length; eq(n, 2); eq(await rejects(fetch('http://h/', { signal: AbortSignal.abort('no') }).catch((e) => { throw { name: e }; }), 'no') !== undefined, true);
  const c = new AbortController(); const p = fetch('http://h/slow', { signal: c.signal }); setTimeout(() => c.abort(), 1); await rejects(p, 'AbortError'); await rejects(fetch('http://h', { body: 'x' }), 'TypeError'); await rejects(fetch('nope'), 'TypeError'); await rejects(fetch('http://h/slow', { signal: AbortSignal.timeout(1) }), 'TimeoutError'); await db_query('release');
});
