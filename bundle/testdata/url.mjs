import url from 'url';

const urls = ['http://user:pass@host.com:8080/p/a/t/h?query=string#hash', '/a/b?c=d', 'HTTP://EX.com', 'http://[::1]:80/x', '//h/p', 'http://a.com?x=1', 'file:///etc/passwd', 'x', 'http://a.com/a b', ''];

export default () => ({
  parse: urls.map((u) => ({ ...url.parse(u) })),
  query: { ...url.parse('/x?a=1&a=2', true).query },
  host: url.parse('//h/p', false, true).hostname,
  format: [
    url.format({ protocol: 'https', hostname: 'x.y', pathname: '/a', query: { b: 1, c: [2, 3] } }),
    url.format({ pathname: 'a', search: 'b', hash: 'c' }),
    url.format(new url.URL('http://u:p@x.y/a?b#c'), { fragment: false, auth: false }),
  ],
  resolve: [['/one/two/three', 'four'], ['http://example.com/', '/one'], ['http://example.com/one', '/two'], ['http://a.com/b', 'http://c.d/e'], ['/a/b', '../c']].map(([a, b]) => url.resolve(a, b)),
  files: [url.fileURLToPath('file:///a%20b/c'), url.pathToFileURL('/a b/c#d').href],
  web: [new url.URL('b', 'http://x/a/').href, new url.URLSearchParams({ a: '1' }).toString(), url.URL === URL],
});
