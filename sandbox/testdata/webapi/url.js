test('parsing', () => {
  for (const [input, base, href] of [
    ['http://example.com', undefined, 'http://example.com/'],
    ['HTTP://EXAMPLE.com:80/../a/./b', undefined, 'http://example.com/a/b'],
    ['http://user:p%40ss@h:8080/p?q#f', undefined, 'http://user:p%40ss@h:8080/p?q#f'],
    ['../x?y', 'http://h/a/b/c', 'http://h/a/x?y'],
    ['//other/p', 'https://h/a', 'https://other/p'],
    ['#f', 'http://h/a?b', 'http://h/a?b#f'],
    ['?q', 'http://h/a?b#c', 'http://h/a?q'],
    ['http://ex ample/', undefined, null],
    ['http://', undefined, null],
    ['foo', undefined, null],
    ['http://h:99999/', undefined, null],
    ['http://[::1]:3000/', undefined, 'http://[::1]:3000/'],
    ['http://[1:2', undefined, null],
    ['http://0x7f.1/', undefined, 'http://127.0.0.1/'],
    ['http://256.256.256.256/', undefined, null],
    ['http://münchen.de/ä?ö#ü', undefined, 'http://xn--mnchen-3ya.de/%C3%A4?%C3%B6#%C3%BC'],
    ['mailto:a@b.c', undefined, 'mailto:a@b.c'],
    ['data:text/plain,hi there', undefined, 'data:text/plain,hi there'],
    ['file:///C|/x/../y', undefined, 'file:///C:/y'],
    ['  http://h/ \t\n', undefined, 'http://h/'],
    ['ht\ntp://h/\ta', undefined, 'http://h/a'],
    ['http:\\\\h\\a', undefined, 'http://h/a'],
    ['javascript:alert(1)', undefined, 'javascript:alert(1)'],
    ['http://h/\ud800', undefined, 'http://h/%EF%BF%BD'],
    ['a:b', 'http://h/', 'a:b'],
    ['x', 'mailto:a', null],
  ]) {
    eq(URL.canParse(input, base), href !== null, input);
    eq(URL.parse(input, base)?.href ?? null, href, input);
    if (href === null) throws(() => new URL(input, base), 'TypeError');
    else eq(new URL(input, base).href, href, input);
  }
});
test('members', () => {
  const u = new URL('https://u:p@h.example:8443/a/b?x=1&y#z');
  eq([u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash],
    ['https://h.example:8443', 'https:', 'u', 'p', 'h.example:8443', 'h.example', '8443', '/a/b', '?x=1&y', '#z']);
  eq(`${u}`, u.href);
  eq(JSON.stringify({ u }), JSON.stringify({ u: u.href }));
  eq(Object.prototype.toString.call(u), '[object URL]');
  eq(new URL('blob:https://h/1').origin, 'https://h');
  eq(new URL('data:,').origin, 'null');
});
test('setters', () => {
  const set = (member, value, from = 'http://h/p?q#f') => { const u = new URL(from); u[member] = value; return u.href; };
  eq(set('protocol', 'https'), 'https://h/p?q#f');
  eq(set('protocol', 'mailto'), 'http://h/p?q#f');
  eq(set('username', 'a b'), 'http://a%20b@h/p?q#f');
  eq(set('password', 'x:y'), 'http://:x%3Ay@h/p?q#f');
  eq(set('host', 'o:81'), 'http://o:81/p?q#f');
  eq(set('hostname', 'o'), 'http://o/p?q#f');
  eq(set('port', '8080'), 'http://h:8080/p?q#f');
  eq(set('port', ''), 'http://h/p?q#f');
  eq(set('port', '80'), 'http://h/p?q#f');
  eq(set('pathname', 'x y'), 'http://h/x%20y?q#f');
  eq(set('search', 'a=b'), 'http://h/p?a=b#f');
  eq(set('search', '?a b'), 'http://h/p?a%20b#f');
  eq(set('search', ''), 'http://h/p#f');
  eq(set('hash', 'g'), 'http://h/p?q#g');
  eq(set('hash', ''), 'http://h/p?q');
  eq(set('href', 'http://z/'), 'http://z/');
  throws(() => set('href', 'nope'), 'TypeError');
  const u = new URL('http://h/');
  u.search = 'a'; u.search = 'b';
  eq(u.href, 'http://h/?b');
});
test('searchParams is live', () => {
  const u = new URL('http://h/?a=1');
  const p = u.searchParams;
  ok(p === u.searchParams);
  p.append('b', 'x y');
  eq(u.href, 'http://h/?a=1&b=x+y');
  u.search = '?c=3';
  eq(p.get('c'), '3'); eq(p.has('a'), false);
  p.delete('c');
  eq(u.href, 'http://h/');
  u.href = 'http://h/?z=1';
  eq([...p], [['z', '1']]);
});
test('URLSearchParams', () => {
  const p = new URLSearchParams('?a=1&b=2&a=3&c&=d&%41%=+%zz');
  eq([...p], [['a', '1'], ['b', '2'], ['a', '3'], ['c', ''], ['', 'd'], ['A%', ' %zz']]);
  eq(p.size, 6);
  eq(p.get('a'), '1'); eq(p.getAll('a'), ['1', '3']); eq(p.get('no'), null);
  eq(p.has('a', '3'), true); eq(p.has('a', '4'), false);
  p.delete('a', '1'); eq(p.getAll('a'), ['3']);
  p.set('b', '9'); p.set('n', 'ü&='); eq(p.get('b'), '9');
  eq(p.toString(), 'b=9&a=3&c=&=d&A%25=+%25zz&n=%C3%BC%26%3D');
  p.sort(); eq([...p.keys()], ['', 'A%', 'a', 'b', 'c', 'n']);
  eq([...new URLSearchParams({ a: 1, b: [2, 3] })], [['a', '1'], ['b', '2,3']]);
  eq([...new URLSearchParams([['a', 'b'], new Set(['c', 'd'])])], [['a', 'b'], ['c', 'd']]);
  eq([...new URLSearchParams(new URLSearchParams('q=1'))], [['q', '1']]);
  eq([...new URLSearchParams(new Map([['m', '1']]))], [['m', '1']]);
  throws(() => new URLSearchParams([['a']]), 'TypeError');
  throws(() => p.append('a'), 'TypeError');
  const seen = []; p.forEach((v, k, o) => seen.push([k, v, o === p])); eq(seen.length, 6);
  eq([...new URLSearchParams('a=1').values()], ['1']);
  eq(Object.prototype.toString.call(p.entries()), '[object URLSearchParams Iterator]');
  eq(new URLSearchParams('a=%ff').get('a'), '\ufffd');
  eq(new URLSearchParams('\ud800=\udfff').toString(), '%EF%BF%BD=%EF%BF%BD');
});
test('subclass', () => {
  class My extends URL { get q() { return this.searchParams.get('q'); } }
  eq(new My('http://h/?q=7').q, '7');
});
test('a URL that needs no parsing', () => {
  const parts = (u) => [u.href, u.origin, u.protocol, u.username, u.password, u.host, u.hostname, u.port, u.pathname, u.search, u.hash];
  for (const text of ['http://h/', 'https://a.b:8443/c/d.e?f=g&h', 'http://127.0.0.1:81/?q']) {
    const other = new URL(text + '#x'); // by the parser
    other.hash = '';
    eq(parts(new URL(text)), parts(other));
    eq(parts(new URL(text, 'http://base/')), parts(other));
    eq(JSON.stringify(new URL(text)), JSON.stringify(text));
    eq(new URL(text).toString(), text);
    ok(URL.canParse(text));
  }
  const u = new URL('http://h/a?b=c');
  const p = u.searchParams;
  ok(u.searchParams === p);
  p.append('d', 'é');
  eq(u.href, 'http://h/a?b=c&d=%C3%A9');
  u.search = '?x=1&x=2&&y';
  eq([...p], [['x', '1'], ['x', '2'], ['y', '']]);
  p.delete('x'); p.delete('y');
  eq(u.href, 'http://h/a');
  u.port = '8080'; u.hash = 'z'; u.pathname = '/k';
  eq(u.href, 'http://h:8080/k#z');
  const v = new URL('http://h/a?b'); v.protocol = 'https'; eq(v.href, 'https://h/a?b');
  throws(() => { new URL('http://h/').href = 'x'; }, 'TypeError');
  throws(() => Object.getOwnPropertyDescriptor(URL.prototype, 'pathname').get.call({}), 'TypeError');
});
