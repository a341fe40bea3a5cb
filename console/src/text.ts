// Tenants' text, made visible: it is only ever shown as text nodes, and what
// would be invisible or would reorder its surroundings is written out.

const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

export function visible(text: string): string {
  return text.replace(hidden, (c) => {
    const code = c.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    return '\\u' + code.toString(16).padStart(4, '0');
  });
}

/** visible, on one line. */
export const inline = (text: string) => visible(text).replaceAll('\n', '␊').replaceAll('\t', '␉');

export function bytes(n: number): string {
  if (!Number.isFinite(n)) return '–';
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (Math.abs(n) < 1024 || unit === 'GiB') return (unit === 'B' || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + ' ' + unit;
    n /= 1024;
  }
  return '';
}

export function ms(n: number): string {
  if (n >= 10_000) return (n / 1000).toFixed(1) + ' s';
  if (n >= 100) return n.toFixed(0) + ' ms';
  return n.toFixed(n >= 10 ? 1 : 2) + ' ms';
}

export function number(n: number): string {
  if (n >= 10_000) return Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(n);
  return n.toFixed(n >= 100 || Number.isInteger(n) ? 0 : n >= 10 ? 1 : 2);
}

export const when = (iso: string) => { const d = new Date(iso); return Number.isNaN(+d) ? visible(iso) : d.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }); };
export const clock = (iso: string) => { const d = new Date(iso); return Number.isNaN(+d) ? '' : d.toTimeString().slice(0, 8) + '.' + String(d.getMilliseconds()).padStart(3, '0'); };
