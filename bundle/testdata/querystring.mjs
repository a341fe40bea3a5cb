import qs from 'querystring';

export default () => ({
  parse: ['a=1&b=2', 'a=1&a=2&a=3', 'a=%20+x', '=x', 'a', 'a=%zz', 'a=%E2%82%AC&&b', '%41=1', 'a=%ff', ''].map((q) => ({ ...qs.parse(q) })),
  separators: { ...qs.parse('a:1;b:2', ';', ':') },
  most: Object.keys(qs.parse('a&b&c&d', null ?? '&', '=', { maxKeys: 2 })),
  stringify: [{ a: 1, b: [1, 2], c: true, d: null, e: undefined, f: '€ &=', g: NaN, h: 10n }, {}, null, 'x'].map((o) => qs.stringify(o)),
  other: qs.stringify({ a: 'b c' }, ';', ':', { encodeURIComponent: (s) => s.toUpperCase() }),
});
