const all = async (s) => { const out = []; for await (const c of s) out.push(c); return out; };
const cut = (...chunks) => ReadableStream.from(chunks);
test('reading', async () => {
  let pulls = 0; const s = new ReadableStream({ start(c) { c.enqueue('a'); }, pull(c) { if (++pulls === 2) c.close(); else c.enqueue('b'); } });
  const r = s.getReader(); ok(s.locked); throws(() => s.getReader(), 'TypeError'); eq(await r.read(), { value: 'a', done: false }); eq((await r.read()).value, 'b'); eq((await r.read()).done, true); await r.closed; r.releaseLock(); ok(!s.locked);
  const e = new ReadableStream({ start(c) { c.error(new RangeError('x')); } }); await rejects(e.getReader().read(), 'RangeError'); let why; const c = new ReadableStream({ cancel(x) { why = x; } }); await c.cancel('done'); eq(why, 'done');
  const p = new ReadableStream(); const pr = p.getReader(); const pending = pr.read(); pr.releaseLock(); await rejects(pending, 'TypeError'); await rejects(pr.read(), 'TypeError'); await rejects(pr.closed, 'TypeError');
  const d = new ReadableStream({ start(c) { eq(c.desiredSize, 3); c.enqueue(1); eq(c.desiredSize, 2); c.close(); throws(() => c.enqueue(1), 'TypeError'); } }, { highWaterMark: 3 }); eq(await all(d), [1]);
  throws(() => new ReadableStream({ type: 'x' }), 'TypeError'); throws(() => new ReadableStream({}, { highWaterMark: -1 }), 'RangeError'); await rejects(new ReadableStream({ pull() { throw new EvalError('p'); } }).getReader().read(), 'EvalError');
  eq(await all(ReadableStream.from((async function* () { yield 1; yield 2; })())), [1, 2]); const l = cut(1, 2, 3); for await (const x of l) { eq(x, 1); break; } ok(!l.locked); eq(await all(l), []);
  const k = cut(1, 2); for await (const x of k.values({ preventCancel: true })) break; eq(await all(k), [2]);
});
test('byte streams', async () => {
  const s = () => new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.enqueue(new Uint8Array([4])); c.close(); } });
  const r = s().getReader({ mode: 'byob' }); const a = await r.read(new Uint8Array(2)); eq([hex(a.value), a.done], ['0102', false]); eq(hex((await r.read(new Uint8Array(9), { min: 2 })).value), '0304'); const z = await r.read(new Uint8Array(5)); eq([z.done, z.value.length], [true, 0]);
  eq((await all(s())).map(hex), ['010203', '04']); throws(() => cut(1).getReader({ mode: 'byob' }), 'TypeError'); await rejects(s().getReader({ mode: 'byob' }).read(new Uint8Array(0)), 'TypeError');
  const b = new ReadableStream({ type: 'bytes', pull(c) { const v = c.byobRequest.view; v[0] = 7; c.byobRequest.respond(1); } }); eq(hex((await b.getReader({ mode: 'byob' }).read(new Uint8Array(4))).value), '07');
  const auto = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 8, pull(c) { c.byobRequest.view[0] = 9; c.byobRequest.respond(1); } }); eq(hex((await auto.getReader().read()).value), '09'); throws(() => new ReadableStream({ type: 'bytes', start(c) { c.enqueue('x'); } }), 'TypeError');
});
test('tee', async () => { const [a, b] = cut(1, 2).tee(); eq([await all(a), await all(b)], [[1, 2], [1, 2]]); let why; const [c, d] = new ReadableStream({ cancel(x) { why = x; } }).tee(); await Promise.all([c.cancel(1), d.cancel(2)]); eq(why, [1, 2]); });
test('writing', async () => {
  const log = []; const w = new WritableStream({ start() { log.push('s'); }, async write(c) { await null; log.push(c); }, close() { log.push('c'); } }).getWriter();
  w.write(1); w.write(2); eq(w.desiredSize, -1); await w.close(); eq(log, ['s', 1, 2, 'c']); await w.closed; await rejects(w.write(3), 'TypeError');
  const b = new WritableStream({ write() { throw new RangeError('w'); } }).getWriter(); await rejects(b.write(1), 'RangeError'); await rejects(b.closed, 'RangeError'); await rejects(b.ready, 'RangeError'); await rejects(b.write(1), 'RangeError');
  let why; const s = new WritableStream({ abort(x) { why = x; } }); const a = s.getWriter(); await a.abort('stop'); eq(why, 'stop'); ok(await a.closed.catch((e) => e === 'stop')); a.releaseLock(); ok(!s.locked); throws(() => a.desiredSize, 'TypeError');
  let signal; const g = new WritableStream({ start(c) { signal = c.signal; }, write: () => new Promise(() => {}) }); const gw = g.getWriter(); gw.write(1).catch(() => {}); gw.abort('x').catch(() => {}); ok(signal.aborted); eq(signal.reason, 'x');
  let free; const q = new WritableStream({ write: () => new Promise((r) => { free = r; }) }).getWriter(); await q.ready; q.write(1); let ready = false; q.ready.then(() => { ready = true; }); await null; await null; eq(ready, false); await new Promise((r) => setTimeout(r, 1)); free(); await q.ready;
});
test('piping', async () => {
  const got = []; const sink = () => new WritableStream({ write(c) { got.push(c); }, close() { got.push('end'); } }); await cut(1, 2).pipeTo(sink()); eq(got, [1, 2, 'end']);
  const keep = sink(); await cut(3).pipeTo(keep, { preventClose: true }); ok(!keep.locked); await keep.close(); eq(got, [1, 2, 'end', 3, 'end']);
  let aborted; await rejects(new ReadableStream({ pull() { throw new RangeError('r'); } }).pipeTo(new WritableStream({ abort(e) { aborted = e.name; } })), 'RangeError'); eq(aborted, 'RangeError');
  let canceled; await rejects(new ReadableStream({ pull(c) { c.enqueue(1); }, cancel(e) { canceled = e.name; } }).pipeTo(new WritableStream({ write() { throw new EvalError('w'); } })), 'EvalError'); eq(canceled, 'EvalError');
  const c = new AbortController(); const p = new ReadableStream().pipeTo(sink(), { signal: c.signal }); c.abort(); await rejects(p, 'AbortError'); const l = cut(1); l.getReader(); await rejects(l.pipeTo(sink()), 'TypeError');
});
test('transforming', async () => {
  const up = () => new TransformStream({ transform(x, c) { c.enqueue(x * 2); }, flush(c) { c.enqueue('end'); } }); eq(await all(cut(1, 2).pipeThrough(up()).pipeThrough(new TransformStream())), [2, 4, 'end']);
  await rejects(all(cut(1).pipeThrough(new TransformStream({ transform() { throw new RangeError('t'); } }))), 'RangeError'); eq(await all(cut(1, 2, 3).pipeThrough(new TransformStream({ transform(x, c) { c.enqueue(x); if (x === 2) c.terminate(); } }))), [1, 2]);
  const { readable, writable } = new TransformStream(); const w = writable.getWriter(); w.write('x'); eq((await readable.getReader().read()).value, 'x');
  eq([new CountQueuingStrategy({ highWaterMark: 2 }).size(), new ByteLengthQueuingStrategy({ highWaterMark: 2 }).size(new Uint8Array(5))], [1, 5]);
});
test('codecs', async () => {
  for (const f of ['gzip', 'deflate', 'deflate-raw']) { const z = cut(utf8('hello '.repeat(500)), utf8('x')).pipeThrough(new CompressionStream(f)); const bytes = await new Response(z).bytes(); ok(bytes.length < 100); eq(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream(f))).text(), 'hello '.repeat(500) + 'x'); }
  await rejects(all(cut(utf8('junk')).pipeThrough(new DecompressionStream('gzip'))), 'TypeError'); throws(() => new CompressionStream('br'), 'TypeError');
  eq((await all(cut('\ud83d', '\ude00a').pipeThrough(new TextEncoderStream()))).map(hex), ['f09f988061']); eq((await all(cut(unhex('e2'), unhex('82ac')).pipeThrough(new TextDecoderStream()))).join(''), '€');
});
test('compression goes piece by piece', async () => {
  const noise = crypto.getRandomValues(new Uint8Array(60000));
  let pulls = 0; const source = () => new ReadableStream({ pull(c) { if (pulls++ < 8) c.enqueue(noise.slice()); else c.close(); } }, { highWaterMark: 0 });
  const r = source().pipeThrough(new CompressionStream('gzip')).getReader(); const first = await r.read(); ok(first.value.length > 0); ok(pulls < 6, 'pulled ' + pulls); const chunks = [first.value]; for (let s; !(s = await r.read()).done;) chunks.push(s.value); ok(chunks.length > 4);
  const back = new Blob(chunks).stream().pipeThrough(new DecompressionStream('gzip')).getReader(); let n = 0; for (let s; !(s = await back.read()).done;) { for (let i = 0; i < s.value.length; i += 997) eq(s.value[i], noise[(n + i) % 60000]); n += s.value.length; } eq(n, 480000);
  const bomb = await new Response(new ReadableStream({ n: 0, pull(c) { if (this.n++ < 50) c.enqueue(new Uint8Array(1e5)); else c.close(); } }).pipeThrough(new CompressionStream('deflate'))).bytes(); ok(bomb.length < 100000); const d = new DecompressionStream('deflate'); const w = d.writable.getWriter(); let used = false; const wrote = w.write(bomb).then(() => { used = true; }, (e) => e); const dr = d.readable.getReader(); for (let i = 0; i < 5; i++) { const { value } = await dr.read(); ok(value.length < 70000); } ok(!used); const gone = new RangeError('enough'); await dr.cancel(gone); ok(await wrote === gone); await rejects(w.closed, 'RangeError');
  const small = await new Response(cut(utf8('hello')).pipeThrough(new CompressionStream('deflate-raw'))).bytes(); const byte = cut(...[...small].map((b) => Uint8Array.of(b))).pipeThrough(new DecompressionStream('deflate-raw')); eq(await new Response(byte).text(), 'hello');
  eq(await new Response(cut().pipeThrough(new CompressionStream('gzip')).pipeThrough(new DecompressionStream('gzip'))).text(), '');
});
test('bad compressed data', async () => {
  const small = await new Response(cut(utf8('hello')).pipeThrough(new CompressionStream('gzip'))).bytes(); const read = (...parts) => all(cut(...parts).pipeThrough(new DecompressionStream('gzip')));
  await rejects(read(small, utf8('x')), 'TypeError'); await rejects(read(small.slice(0, -1)), 'TypeError'); await rejects(read(), 'TypeError'); const wrong = small.slice(); wrong[wrong.length - 6] ^= 1; await rejects(read(wrong), 'TypeError'); await rejects(read('text'), 'TypeError'); await rejects(read(small.slice(0, 3), utf8('junkjunkjunk')), 'TypeError');
  const d = new DecompressionStream('gzip'); const w = d.writable.getWriter(); const wrote = w.write(utf8('junkjunkjunk')); await rejects(d.readable.getReader().read(), 'TypeError'); await rejects(wrote, 'TypeError'); await rejects(w.closed, 'TypeError');
  const a = new CompressionStream('gzip'); const ar = a.readable.getReader().read(); await a.writable.abort(new EvalError('stop')); await rejects(ar, 'EvalError');
});
