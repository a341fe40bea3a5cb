test('EventTarget', () => {
  const t = new EventTarget();
  const seen = [];
  const f = (e) => seen.push('f' + e.type);
  t.addEventListener('a', f); t.addEventListener('a', f); t.addEventListener('a', { handleEvent(e) { seen.push('h' + (e.target === t)); } });
  t.addEventListener('a', () => seen.push('once'), { once: true });
  t.addEventListener('a', () => seen.push('capture'), true);
  ok(t.dispatchEvent(new Event('a'))); t.removeEventListener('a', f); t.dispatchEvent(new Event('a'));
  eq(seen, ['capture', 'fa', 'htrue', 'once', 'capture', 'htrue']);
  const c = new AbortController(); const s = []; t.addEventListener('z', () => s.push(1), { signal: c.signal });
  t.dispatchEvent(new Event('z')); c.abort(); t.dispatchEvent(new Event('z')); eq(s, [1]);
  t.addEventListener('p', (e) => e.preventDefault()); eq(t.dispatchEvent(new Event('p', { cancelable: true })), false); eq(t.dispatchEvent(new Event('p')), true);
  t.addEventListener('q', (e) => e.preventDefault(), { passive: true }); eq(t.dispatchEvent(new Event('q', { cancelable: true })), true);
  t.addEventListener('i', (e) => e.stopImmediatePropagation()); t.addEventListener('i', () => { throw 1; }); t.dispatchEvent(new Event('i'));
  throws(() => t.dispatchEvent({}), 'TypeError'); throws(() => new Event(), 'TypeError');
  const again = new Event('r'); t.addEventListener('r', (e) => throws(() => t.dispatchEvent(e), 'InvalidStateError')); t.dispatchEvent(again);
  eq(new CustomEvent('c', { detail: 5 }).detail, 5); eq(new CustomEvent('c').detail, null);
  t.addEventListener('bad', () => { throw new Error('expected'); }); let after = false; t.addEventListener('bad', () => { after = true; });
  t.dispatchEvent(new Event('bad')); ok(after);
  class My extends EventTarget {} ok(new My().dispatchEvent(new Event('x')));
  eq([Event.AT_TARGET, new Event('x').eventPhase, Object.prototype.toString.call(new CustomEvent('x'))], [2, 0, '[object CustomEvent]']);
  eq(new ErrorEvent('error', { message: 'm', lineno: 3 }).message, 'm'); eq(new MessageEvent('message', { data: 1 }).data, 1);
});
test('AbortController', () => {
  const c = new AbortController(); const seen = []; c.signal.onabort = (e) => seen.push('on' + e.type); c.signal.addEventListener('abort', () => seen.push('l'));
  eq(c.signal.aborted, false); c.signal.throwIfAborted(); c.abort(); c.abort('again'); eq(seen, ['onabort', 'l']);
  eq(c.signal.reason.name, 'AbortError'); throws(() => c.signal.throwIfAborted(), 'AbortError');
  const r = new AbortController(); r.abort('why'); eq(r.signal.reason, 'why'); eq(AbortSignal.abort().aborted, true); eq(AbortSignal.abort(7).reason, 7);
  throws(() => new AbortSignal(), 'TypeError');
});
test('AbortSignal.any and timeout', async () => {
  const a = new AbortController(), b = new AbortController(); const any = AbortSignal.any([a.signal, b.signal]);
  eq(any.aborted, false); b.abort('b'); eq(any.reason, 'b'); eq(AbortSignal.any([AbortSignal.abort(1)]).reason, 1); eq(AbortSignal.any([]).aborted, false);
  const t = AbortSignal.timeout(1); await new Promise((r) => t.addEventListener('abort', r)); eq(t.reason.name, 'TimeoutError'); throws(() => AbortSignal.timeout(-1), 'TypeError');
});
test('timers and misc', async () => {
  const args = await new Promise((r) => setTimeout((...a) => r(a), 0, 1, 2)); eq(args, [1, 2]);
  clearTimeout(); clearTimeout(null); clearTimeout('x'); const id = setTimeout(() => { throw new Error('expected'); }, 1); clearTimeout(String(id));
  throws(() => setTimeout('code'), 'TypeError'); await new Promise((r) => queueMicrotask(r));
  ok(self === globalThis); eq(navigator.userAgent, 'Bulkhead'); reportError(new Error('expected'));
  ok(performance.now() >= 0 && performance.timeOrigin > 1e12); performance.mark('a'); const m = performance.measure('m', 'a');
  eq([m.entryType, m.duration >= 0, performance.getEntriesByType('mark').length], ['measure', true, 1]); throws(() => performance.measure('x', 'no'), 'SyntaxError');
});
test('globals look like data properties after use', () => {
  void Blob; const d = Object.getOwnPropertyDescriptor(globalThis, 'Blob'); eq([typeof d.value, d.writable, d.enumerable, d.configurable], ['function', true, false, true]);
  eq(typeof FormData, 'function'); globalThis.DecompressionStream = 5; eq(DecompressionStream, 5);
});
