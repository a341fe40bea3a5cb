// How the fixed text in each component of a pattern is made canonical: as the
// URL parser writes that component. Go parses.

const dummy = 'https://dummy.invalid/';
const setOnDummy = (member, value) => web('url.set', dummy, member, value)[member];
const bare = (text) => text.replace(/[\t\n\r]/g, '');
const orEmpty = (f) => (value, more) => (value === '' ? '' : f(value, more));

const canonical = {
  __proto__: null,
  protocol: orEmpty((value) => web('url.parse', value + '://dummy.invalid/').protocol.slice(0, -1)),
  username: orEmpty((value) => setOnDummy('username', value)),
  password: orEmpty((value) => setOnDummy('password', value)),
  hostname: orEmpty((value) => {
    value = bare(value);
    if (/^\[[^[\]]*\]$/.test(value) ? /[#/?@\\]/.test(value) : /[#/?:@\\[\]<>^| ]/.test(value)) throw new TypeError('URLPattern: not a host name: ' + shared.stringify(value.slice(0, 200)));
    return web('url.parse', `https://${value}/`).hostname;
  }),
  ipv6: orEmpty((value) => {
    if (/[^0-9a-f[\]:]/i.test(value)) throw new TypeError('URLPattern: not an IPv6 address: ' + shared.stringify(value.slice(0, 200)));
    return value.toLowerCase();
  }),
  port: orEmpty((value, protocol) => {
    const digits = /^[0-9]+/.exec(bare(value))?.[0];
    if (digits === undefined || Number(digits) > 65535) throw new TypeError('URLPattern: not a port: ' + shared.stringify(value.slice(0, 200)));
    const port = `${Number(digits)}`;
    return ports[protocol] === port ? '' : port;
  }),
  // A path that does not begin with a slash must not be given one.
  pathname: orEmpty((value) => (value[0] === '/' ? setOnDummy('pathname', value) : setOnDummy('pathname', '/-' + value).slice(2))),
  opaque: orEmpty((value) => bare(value).replace(/[^\x20-\x7e]/gu, encodeURIComponent)),
  search: orEmpty((value) => setOnDummy('search', '?' + value).slice(1)),
  hash: orEmpty((value) => setOnDummy('hash', '#' + value).slice(1)),
};

// isIPv6 tells whether a host name, which may be a pattern, is an address in
// brackets.
const isIPv6 = (text) => text.length > 1 && (text[0] === '[' || ((text[0] === '{' || text[0] === '\\') && text[1] === '['));
