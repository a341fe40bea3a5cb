// A link holds the code in its fragment, which no browser sends to any server.

export interface Shared { code: string; event: string; language: 'javascript' | 'typescript' }
const most = 256 << 10;

async function through(data: Uint8Array<ArrayBuffer>, stream: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const reader = new Blob([data]).stream().pipeThrough(stream as unknown as ReadableWritablePair<Uint8Array, Uint8Array<ArrayBuffer>>).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) { await reader.cancel(); throw new RangeError('the link holds more than 256 KiB'); }
    parts.push(value);
  }
  const out = new Uint8Array(length);
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
}

export async function toFragment(s: Shared): Promise<string> {
  const packed = await through(new TextEncoder().encode(JSON.stringify([s.code, s.event, s.language])), new CompressionStream('deflate-raw'));
  let raw = '';
  for (const b of packed) raw += String.fromCharCode(b);
  return '#code=' + btoa(raw).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The fragment's code; null when it has none. It is hostile: whoever follows a link did not write it. */
export async function fromFragment(fragment: string): Promise<Shared | null> {
  const text = /^#code=([\w-]+)$/.exec(fragment)?.[1];
  if (!text) return null;
  const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const packed = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  const all: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await through(packed, new DecompressionStream('deflate-raw'))));
  if (!Array.isArray(all) || typeof all[0] !== 'string' || typeof all[1] !== 'string') throw new TypeError('the link holds no code');
  return { code: all[0], event: all[1], language: all[2] === 'typescript' ? 'typescript' : 'javascript' };
}
