// The module url: the Web's URL and URLSearchParams, and the older functions
// on top of them, as https://nodejs.org/api/url.html describes them. The older
// parse takes what it can of anything, so it is not built on URL.
'use strict';

const querystring = require('bulkhead:querystring');

const withSlashes = new Set(['http:', 'https:', 'ftp:', 'gopher:', 'file:', 'ws:', 'wss:']);

class Url {
  constructor() {
    for (const name of ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href']) this[name] = null;
  }

  format() { return format(this); }
  resolve(to) { return resolve(this.href, to); }
}

const percent = (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');

function parse(text, withQuery = false, slashesDenoteHost = false) {
  if (text instanceof Url) return text;
  if (typeof text !== 'string') {
    const e = new TypeError('The "url" argument must be of type string. Received ' + typeof text);
    e.code = 'ERR_INVALID_ARG_TYPE';
    throw e;
  }
  const out = new Url();
  let rest = text.trim();
  const hash = rest.indexOf('#');
  if (hash >= 0) [out.hash, rest] = [rest.slice(hash), rest.slice(0, hash)];
  const search = rest.indexOf('?');
  if (search >= 0) [out.search, rest] = [rest.slice(search), rest.slice(0, search)];
  const scheme = /^([a-z0-9.+-]+:)/i.exec(rest);
  if (scheme) {
    out.protocol = scheme[1].toLowerCase();
    rest = rest.slice(scheme[1].length);
    if (withSlashes.has(out.protocol)) rest = rest.replaceAll('\\', '/');
  }
  if (rest.startsWith('//') && (slashesDenoteHost || scheme)) {
    out.slashes = true;
    rest = rest.slice(2);
    const end = rest.indexOf('/');
    let authority = end < 0 ? rest : rest.slice(0, end);
    rest = end < 0 ? '' : rest.slice(end);
    const at = authority.lastIndexOf('@');
    if (at >= 0) {
      out.auth = querystring.unescape(authority.slice(0, at));
      authority = authority.slice(at + 1);
    }
    const port = /:([0-9]*)$/.exec(authority);
    if (port) {
      if (port[1] !== '') out.port = port[1];
      authority = authority.slice(0, port.index);
    }
    out.hostname = authority.replace(/^\[|\]$/g, '').toLowerCase();
    out.host = authority.toLowerCase() + (out.port ? ':' + out.port : '');
  }
  if (rest !== '') out.pathname = rest;
  else if (out.slashes && withSlashes.has(out.protocol)) out.pathname = '/';
  const unsafe = /[ "<>`{}|^\\']/g;
  if (out.pathname !== null && withSlashes.has(out.protocol ?? 'http:')) out.pathname = out.pathname.replace(unsafe, percent);
  if (out.search !== null) out.search = out.search.replace(unsafe, percent);
  out.query = out.search === null ? null : out.search.slice(1);
  if (withQuery) {
    out.query = querystring.parse(out.query ?? '');
    out.search ??= '';
  }
  if (out.pathname !== null || out.search) out.path = (out.pathname ?? '') + (out.search ?? '');
  out.href = format(out);
  return out;
}

function format(url, options) {
  if (typeof url === 'string') return parse(url).href;
  if (typeof URL !== 'undefined' && url instanceof URL) {
    const copy = new URL(url.href);
    if (options?.fragment === false) copy.hash = '';
    if (options?.search === false) copy.search = '';
    if (options?.auth === false) copy.username = copy.password = '';
    return copy.href;
  }
  let protocol = url.protocol ?? '';
  if (protocol && !protocol.endsWith(':')) protocol += ':';
  let host = '';
  const auth = url.auth ? encodeURIComponent(url.auth).replace('%3A', ':') + '@' : '';
  if (url.host) host = auth + url.host;
  else if (url.hostname) host = auth + (url.hostname.includes(':') ? '[' + url.hostname + ']' : url.hostname) + (url.port ? ':' + url.port : '');
  let search = url.search ?? '';
  if (!search && url.query !== null && typeof url.query === 'object') {
    const query = querystring.stringify(url.query);
    search = query && '?' + query;
  }
  if (search && !search.startsWith('?')) search = '?' + search;
  let hash = url.hash ?? '';
  if (hash && !hash.startsWith('#')) hash = '#' + hash;
  let pathname = (url.pathname ?? '').replace(/[?#]/g, (c) => encodeURIComponent(c));
  if (url.slashes || ((!protocol || withSlashes.has(protocol)) && host)) {
    host = '//' + host;
    if (pathname && !pathname.startsWith('/')) pathname = '/' + pathname;
  }
  return protocol + host + pathname + search.replace('#', '%23') + hash;
}

function resolve(from, to) {
  const base = new URL(from, 'resolve://');
  const resolved = new URL(to, base);
  if (resolved.protocol === 'resolve:') return resolved.pathname + resolved.search + resolved.hash;
  return resolved.href;
}

function fileURLToPath(url) {
  const parsed = typeof url === 'string' ? new URL(url) : url;
  if (parsed.protocol !== 'file:') {
    const e = new TypeError('The URL must be of scheme file');
    e.code = 'ERR_INVALID_URL_SCHEME';
    throw e;
  }
  return decodeURIComponent(parsed.pathname);
}

function pathToFileURL(path) {
  return new URL('file://' + encodeURI(require('bulkhead:path').resolve(path)).replace(/[?#]/g, encodeURIComponent));
}

module.exports = {
  Url, parse, format, resolve, fileURLToPath, pathToFileURL,
  resolveObject: (from, to) => parse(resolve(from, to)),
  urlToHttpOptions: (u) => ({
    protocol: u.protocol, hostname: u.hostname, hash: u.hash, search: u.search, pathname: u.pathname,
    path: u.pathname + u.search, href: u.href, ...(u.port !== '' && { port: Number(u.port) }),
  }),
  get URL() { return URL; },
  get URLSearchParams() { return URLSearchParams; },
};
