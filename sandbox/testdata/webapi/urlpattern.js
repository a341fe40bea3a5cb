// What a pattern is to do with an input: the groups of the components named, or
// null for no match.
const groupsOf = (found) => {
  if (found === null) return null;
  const out = {};
  for (const name of ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash']) {
    for (const [k, v] of Object.entries(found[name].groups)) if (k !== '0' && v !== undefined) out[k] = v;
  }
  return out;
};
const list = (v) => (Array.isArray(v) ? v : [v]);

test('constructor strings are cut into components', () => {
  for (const [args, want] of [
    ['https://example.com/foo', { protocol: 'https', username: '*', password: '*', hostname: 'example.com', port: '', pathname: '/foo', search: '*', hash: '*' }],
    ['https://example.com/foo?bar#baz', { search: 'bar', hash: 'baz' }],
    ['https://example.com:8080?q', { port: '8080', pathname: '/', search: 'q', hash: '*' }],
    ['https://example.com#h', { pathname: '/', search: '', hash: 'h' }],
    ['https://user\\:pw@h.example/', { username: 'user', password: 'pw', hostname: 'h.example' }],
    ['https://user@h/', { username: 'user', password: '*', hostname: 'h' }],
    ['http{s}?://{*.}?example.com/:id', { protocol: 'http{s}?', hostname: '{*.}?example.com', pathname: '/:id' }],
    ['https://[\\:\\:1]:3000/x', { hostname: '[\\:\\:1]', port: '3000' }],
    ['https://[\\:\\:AB\\::num]/', { hostname: '[\\:\\:ab\\::num]' }],
    ['data\\:foobar', { protocol: 'data', hostname: '', pathname: 'foobar' }],
    [['/foo?q', 'https://example.com'], { protocol: 'https', hostname: 'example.com', pathname: '/foo', search: 'q' }],
    [['foo', 'https://example.com/a/b'], { pathname: '/a/foo' }],
    [['#f', 'https://example.com/a?b'], { pathname: '/a', search: 'b', hash: 'f' }],
    [['?q', 'https://example.com/a?b#c'], { pathname: '/a', search: 'q', hash: '*' }],
    [['', 'https://example.com/a?b#c'], { pathname: '/', search: '*' }],
    ['https://example.com/:name?', { pathname: '/:name?', search: '*' }],
    ['https://example.com/*?q', { pathname: '/*?q', search: '*' }],
    ['https://example.com/*\\?q', { pathname: '/*', search: 'q' }],
    ['https://example.com/{a}\\?b', { pathname: '/a', search: 'b' }],
    ['https://{sub.}?example.com/foo', { hostname: '{sub.}?example.com' }],
    [':protocol://:host/:path', { protocol: ':protocol', hostname: ':host', pathname: '/:path' }],
    ['(https?)://h/', { protocol: '(https?)', hostname: 'h' }],
    ['*://*/*', { protocol: '*', hostname: '*', port: '', pathname: '/*' }],
    ['http://h:80/', { port: '' }],
    ['https://h:80/', { port: '80' }],
    ['https://h:*/', { port: '*' }],
  ]) {
    const p = new URLPattern(...list(args));
    for (const [name, text] of Object.entries(want)) eq(p[name], text, `${args} ${name}:`);
  }
});
test('what is no pattern', () => {
  for (const args of [
    ['/relative'], [''], ['javascript:alert'], ['{https://h/}?*'], ['/a', 'no base'], [{ pathname: '/:a/:a' }], [{ pathname: '/(' }], [{ pathname: '/()' }], [{ pathname: '/(?:x)' }],
    [{ pathname: '/((x))' }], [{ pathname: '/(\\' }], [{ pathname: '/{a' }], [{ pathname: '/a}' }], [{ pathname: '/:' }], [{ pathname: '/a\\' }],
    [{ pathname: '/{{a}}' }], [{ pathname: '/?+' }], [{ pathname: '/a?b' }], [{ pathname: '/([)' }], [{ pathname: '/(ü)' }], [{ port: 'x' }], [{ port: '65536' }],
    [{ protocol: 'ht tp' }], [{ protocol: 'café' }], [{ hostname: 'a b' }], [{ hostname: 'a#b' }], [{ hostname: 'a/b' }], [{ hostname: 'a@b' }],
    [{ hostname: 'a^b' }], [{ hostname: 'a|b' }], [{ hostname: 'a<b' }], [{ hostname: 'a%b' }], [{ hostname: '[::xyz]' }], [{ pathname: '/a' }, 'https://h/'],
    [{ baseURL: 'nope' }], [{ pathname: '/(a)'.repeat(300) }],
  ]) throws(() => new URLPattern(...args), 'TypeError');
  throws(() => new URLPattern('https://h/').test({}, 'https://h/'), 'TypeError');
  throws(() => URLPattern('https://h/'), 'TypeError');
});
test('matching', () => {
  for (const [pattern, input, want] of [
    [{ pathname: '/foo/bar' }, { pathname: '/foo/bar' }, {}],
    [{ pathname: '/foo/bar' }, { pathname: '/foo/ba' }, null],
    [{ pathname: '/foo/bar' }, { pathname: '/foo/bar/' }, null],
    [{ pathname: '/foo/bar' }, { hostname: 'example.com', pathname: '/foo/bar' }, {}],
    [{ pathname: '/foo/bar' }, 'https://example.com/foo/bar?q#h', {}],
    [{ pathname: '/foo/:bar' }, { pathname: '/foo/x' }, { bar: 'x' }],
    [{ pathname: '/foo/:bar' }, { pathname: '/foo/' }, null],
    [{ pathname: '/foo/:bar' }, { pathname: '/foo/a/b' }, null],
    [{ pathname: '/foo/:bar?' }, { pathname: '/foo' }, {}],
    [{ pathname: '/foo/:bar?' }, { pathname: '/foobar' }, null],
    [{ pathname: '/foo/:bar+' }, { pathname: '/foo/a/b/c' }, { bar: 'a/b/c' }],
    [{ pathname: '/foo/:bar+' }, { pathname: '/foo' }, null],
    [{ pathname: '/foo/:bar*' }, { pathname: '/foo' }, {}],
    [{ pathname: '/foo/:bar*' }, { pathname: '/foo/a/b' }, { bar: 'a/b' }],
    [{ pathname: '/foo/:bar(\\d+)' }, { pathname: '/foo/42' }, { bar: '42' }],
    [{ pathname: '/foo/:bar(\\d+)' }, { pathname: '/foo/4x' }, null],
    [{ pathname: '/foo/(.*)' }, { pathname: '/foo/a/b' }, {}],
    [{ pathname: '/foo/*' }, { pathname: '/foo/' }, {}],
    [{ pathname: '/foo/*' }, { pathname: '/foo' }, null],
    [{ pathname: '/foo/*?' }, { pathname: '/foo' }, {}],
    [{ pathname: '/foo/**' }, { pathname: '/foo/a/b' }, {}],
    [{ pathname: '/foo{/bar}?' }, { pathname: '/foo' }, {}],
    [{ pathname: '/foo{/bar}+' }, { pathname: '/foo/bar/bar' }, {}],
    [{ pathname: '/foo{/bar}+' }, { pathname: '/foo' }, null],
    [{ pathname: '/foo{/:bar.jpg}?' }, { pathname: '/foo/x.jpg' }, { bar: 'x' }],
    [{ pathname: '/:a-:b' }, { pathname: '/x-y' }, { a: 'x', b: 'y' }],
    [{ pathname: '/:a\\bcd' }, { pathname: '/xbcd' }, { a: 'x' }],
    [{ pathname: '/{:a}bcd' }, { pathname: '/xbcd' }, { a: 'x' }],
    [{ pathname: '/(a|b)/:c' }, { pathname: '/b/z' }, { c: 'z' }],
    [{ pathname: '/:ünïcode' }, { pathname: '/x' }, { 'ünïcode': 'x' }],
    [{ pathname: '/café' }, { pathname: '/caf%C3%A9' }, {}],
    [{ pathname: '/caf%C3%A9' }, { pathname: '/café' }, {}],
    [{ pathname: '/foo/../bar' }, { pathname: '/bar' }, {}],
    [{ pathname: '/bar' }, { pathname: '/foo/../bar' }, {}],
    [{ pathname: './foo', baseURL: 'https://example.com/a/b' }, 'https://example.com/a/foo', {}],
    [{ pathname: 'foo', baseURL: 'https://example.com/a/b?q' }, 'https://example.com/a/foo?other', {}],
    [{ pathname: '{/foo}', baseURL: 'https://example.com/a/b' }, 'https://example.com/foo', {}],
    [{ pathname: '/:a' }, { pathname: 'b', baseURL: 'https://example.com/x' }, { a: 'b' }],
    [{ baseURL: 'https://example.com/a?q#h' }, 'https://example.com/a?q#h', {}],
    [{ baseURL: 'https://example.com/a?q#h' }, 'https://example.com/a?q#i', null],
    [{ protocol: 'http{s}?' }, 'http://h/', {}],
    [{ protocol: 'https:' }, { protocol: 'https' }, {}],
    [{ protocol: 'https' }, { protocol: 'https:' }, {}],
    [{ protocol: 'ht*' }, 'ftp://h/', null],
    [{ protocol: 'data', pathname: 'foo*' }, 'data:foobar', {}],
    [{ protocol: 'data', pathname: 'a/../b' }, 'data:a/../b', {}],
    [{ hostname: '*.example.com' }, 'https://a.b.example.com/', {}],
    [{ hostname: '*.example.com' }, 'https://example.com/', null],
    [{ hostname: ':sub.example.com' }, 'https://a.example.com/', { sub: 'a' }],
    [{ hostname: ':sub.example.com' }, 'https://a.b.example.com/', null],
    [{ hostname: '{:sub.}*example.com' }, 'https://a.b.example.com/', { sub: 'a.b' }],
    [{ hostname: 'münchen.de' }, 'https://xn--mnchen-3ya.de/', {}],
    [{ hostname: 'EXAMPLE.com' }, 'https://example.com/', {}],
    [{ hostname: 'ex\tample.com' }, 'https://example.com/', {}],
    [{ hostname: '[\\:\\:1]' }, 'http://[::1]/', {}],
    [{ hostname: '[::1]' }, null, TypeError],
    [{ port: '8\t0' }, { port: '80' }, {}],
    [{ protocol: 'https', port: '443' }, 'https://h:443/', {}],
    [{ protocol: 'https', port: '443' }, 'https://h/', {}],
    [{ port: '80' }, 'http://h:80/', null],
    [{ port: '80*' }, 'http://h:8080/', {}],
    [{ port: '(\\d+)' }, 'http://h:81/', {}],
    [{ username: 'caf%C3%A9', password: ':p' }, 'http://café:secret@h/', { p: 'secret' }],
    [{ search: 'q=:q&*' }, 'http://h/?q=a&x=y', { q: 'a' }],
    [{ search: '?q=*' }, { search: 'q=1' }, {}],
    [{ hash: '#a:b' }, 'http://h/#axyz', { b: 'xyz' }],
    ['https://example.com/:a/:b?', 'https://example.com/1', { a: '1' }],
    ['https://(sub.)?example(.com/)foo', 'https://example.com/foo', null],
    ['https://example.com/*', 'https://example.com/a/b?c#d', {}],
    ['https://example.com/*', 'http://example.com/a', null],
    ['https://example.com/*', 'not a URL', null],
    ['https://example.com/*', { protocol: 'https', hostname: 'example.com', pathname: '/x' }, {}],
    [{}, 'anything:at/all', {}],
    [{ pathname: '/([a-z]+)' }, { pathname: '/ABC' }, null],
  ]) {
    if (want === TypeError) {
      throws(() => new URLPattern(pattern), 'TypeError');
      continue;
    }
    const p = new URLPattern(pattern);
    const what = `${JSON.stringify(pattern)} on ${JSON.stringify(input)}:`;
    eq(groupsOf(p.exec(input)), want, what);
    eq(p.test(input), want !== null, what);
    // What the getters say is the pattern again.
    const again = { protocol: p.protocol, username: p.username, password: p.password, hostname: p.hostname, port: p.port, pathname: p.pathname, search: p.search, hash: p.hash };
    eq(groupsOf(new URLPattern(again).exec(input)), want, 'again ' + JSON.stringify(again) + ' ' + what);
  }
});
test('canonical patterns', () => {
  for (const [init, member, want] of [
    [{ pathname: '/:a(.*)' }, 'pathname', '/:a(.*)'], [{ pathname: '/(.*)' }, 'pathname', '/*'], [{ pathname: '/:a([^\\/]+?)' }, 'pathname', '/:a'],
    [{ pathname: '/([^\\/]+?)' }, 'pathname', '/([^\\/]+?)'], [{ pathname: '/{foo}' }, 'pathname', '/foo'], [{ pathname: '/{foo}?' }, 'pathname', '/{foo}?'],
    [{ pathname: '{/:a}' }, 'pathname', '/:a'], [{ pathname: '/:a{b}' }, 'pathname', '{/:a}b'], [{ pathname: '/{:a}(x)' }, 'pathname', '/{:a}(x)'],
    [{ pathname: '*/*' }, 'pathname', '*/*'], [{ pathname: '*\\/*' }, 'pathname', '*/{*}'], [{ pathname: '/a\\:b' }, 'pathname', '/a\\:b'],
    [{ pathname: '/foo bar' }, 'pathname', '/foo%20bar'], [{ pathname: '/a\\?b' }, 'pathname', '/a%3Fb'], [{ pathname: ':a(x)(y)' }, 'pathname', ':a(x)(y)'],
    [{ hostname: 'Faß.de' }, 'hostname', 'xn--fa-hia.de'], [{ search: 'a b' }, 'search', 'a%20b'], [{ hash: 'a b' }, 'hash', 'a%20b'],
    [{ protocol: 'HTTP' }, 'protocol', 'http'], [{ username: 'a@b' }, 'username', 'a%40b'], [{ port: '0080' }, 'port', '80'], [{ port: '80x' }, 'port', '80'],
  ]) eq(new URLPattern(init)[member], want, JSON.stringify(init));
});
test('the result', () => {
  const p = new URLPattern({ pathname: '/:a/*' });
  const found = p.exec('https://u@h:81/x/y?q#f');
  eq(found, {
    inputs: ['https://u@h:81/x/y?q#f'],
    protocol: { input: 'https', groups: { 0: 'https' } }, username: { input: 'u', groups: { 0: 'u' } }, password: { input: '', groups: { 0: '' } },
    hostname: { input: 'h', groups: { 0: 'h' } }, port: { input: '81', groups: { 0: '81' } },
    pathname: { input: '/x/y', groups: { 0: 'y', a: 'x' } }, search: { input: 'q', groups: { 0: 'q' } }, hash: { input: 'f', groups: { 0: 'f' } },
  });
  eq(p.exec('x/y', 'https://h/z/').inputs, ['x/y', 'https://h/z/']);
  eq(p.exec({ pathname: '/a/b' }).inputs, [{ pathname: '/a/b' }]);
  eq(p.exec({ pathname: '/a' }), null);
  const none = new URLPattern({ pathname: '/:a?' }).exec({ pathname: '' });
  ok('a' in none.pathname.groups && none.pathname.groups.a === undefined);
  const { groups } = new URLPattern({ pathname: '/:__proto__' }).exec({ pathname: '/x' }).pathname;
  eq(Object.getOwnPropertyDescriptor(groups, '__proto__').value, 'x');
});
test('options and members', () => {
  ok(new URLPattern({ pathname: '/Foo' }, { ignoreCase: true }).test({ pathname: '/fOO' }));
  ok(!new URLPattern({ pathname: '/Foo' }).test({ pathname: '/fOO' }));
  ok(new URLPattern('https://h/Foo?Q#H', { ignoreCase: true }).test('https://h/foo?q#h'));
  ok(new URLPattern('/Foo', 'https://h', { ignoreCase: true }).test('https://h/foo'));
  eq(new URLPattern({ pathname: '/:a(x)' }).hasRegExpGroups, true);
  eq(new URLPattern({ pathname: '/:a/*' }).hasRegExpGroups, false);
  ok(new URLPattern().test('https://h/')); ok(new URLPattern(undefined).test()); ok(new URLPattern(null).test({}));
  ok(new URLPattern(new URL('https://h/p?q#f')).test('https://h/p?q#f'));
  ok(new URLPattern('https://h/p').test(new URL('https://h/p')));
  eq(Object.prototype.toString.call(new URLPattern()), '[object URLPattern]');
  throws(() => URLPattern.prototype.test.call({}), 'TypeError');
  throws(() => Object.getOwnPropertyDescriptor(URLPattern.prototype, 'hash').get.call({}), 'TypeError');
});
