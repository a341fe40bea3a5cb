// POSIX paths, as https://nodejs.org/api/path.html describes them. The current
// folder is "/".
'use strict';

function check(path, name) {
  if (typeof path !== 'string') {
    const e = new TypeError(`The "${name}" argument must be of type string. Received ${path === null ? 'null' : typeof path}`);
    e.code = 'ERR_INVALID_ARG_TYPE';
    throw e;
  }
}

// resolveDots takes "." and ".." out of a path's parts.
function resolveDots(path, absolute) {
  const out = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') out.push(part);
    else if (out.length > 0 && out[out.length - 1] !== '..') out.pop();
    else if (!absolute) out.push('..');
  }
  return out.join('/');
}

const isAbsolute = (path) => {
  check(path, 'path');
  return path.startsWith('/');
};

function normalize(path) {
  check(path, 'path');
  if (path === '') return '.';
  const absolute = path.startsWith('/');
  let out = resolveDots(path, absolute);
  if (out === '' && !absolute) out = '.';
  if (out !== '' && path.endsWith('/')) out += '/';
  return absolute ? '/' + out : out;
}

function join(...parts) {
  parts.forEach((p) => check(p, 'path'));
  const joined = parts.filter((p) => p !== '').join('/');
  return joined === '' ? '.' : normalize(joined);
}

function resolve(...parts) {
  let path = '';
  for (let i = parts.length - 1; i >= 0 && !path.startsWith('/'); i--) {
    check(parts[i], 'paths[' + i + ']');
    if (parts[i] !== '') path = path === '' ? parts[i] : parts[i] + '/' + path;
  }
  return '/' + resolveDots(path, true);
}

function relative(from, to) {
  check(from, 'from');
  check(to, 'to');
  const a = resolve(from).split('/').filter(Boolean);
  const b = resolve(to).split('/').filter(Boolean);
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
}

const trimmed = (path) => {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end--;
  return path.slice(0, end);
};

function dirname(path) {
  check(path, 'path');
  if (path === '') return '.';
  const p = trimmed(path);
  const slash = p.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : p.slice(0, slash);
}

function basename(path, suffix) {
  check(path, 'path');
  if (suffix !== undefined) check(suffix, 'suffix');
  if (suffix && suffix === path) return '';
  const p = trimmed(path);
  const base = p === '/' ? '' : p.slice(p.lastIndexOf('/') + 1);
  return suffix && base !== suffix && base.endsWith(suffix) ? base.slice(0, -suffix.length) : base;
}

function extname(path) {
  const base = basename(path);
  const dot = base.lastIndexOf('.');
  return dot <= 0 || base === '..' ? '' : base.slice(dot);
}

function parse(path) {
  check(path, 'path');
  const root = path.startsWith('/') ? '/' : '';
  const base = basename(path);
  const ext = extname(path);
  const slash = trimmed(path).lastIndexOf('/');
  const dir = slash < 0 ? '' : slash === 0 ? '/' : trimmed(path).slice(0, slash);
  return { root, dir: path === '' ? '' : dir, base, ext, name: ext ? base.slice(0, -ext.length) : base };
}

function format(o) {
  const dir = o.dir || o.root || '';
  const ext = o.ext ? (o.ext.startsWith('.') ? o.ext : '.' + o.ext) : '';
  const base = o.base || (o.name || '') + ext;
  if (!dir) return base;
  return dir === o.root ? dir + base : dir + '/' + base;
}

const path = {
  sep: '/', delimiter: ':',
  basename, dirname, extname, format, isAbsolute, join, normalize, parse, relative, resolve,
  toNamespacedPath: (p) => p,
};
path.posix = path;

module.exports = path;
