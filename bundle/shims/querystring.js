// Query strings, as https://nodejs.org/api/querystring.html describes them.
'use strict';


function escape(text) {
  text = typeof text === 'string' ? text : String(text);
  return encodeURIComponent(text.toWellFormed ? text.toWellFormed() : text);
}

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    const { Buffer } = require('bulkhead:buffer');
    const bytes = [];
    for (const b of Buffer.from(text)) bytes.push(b);
    const out = [];
    for (let i = 0; i < bytes.length; i++) {
      const hex = String.fromCharCode(bytes[i + 1], bytes[i + 2]);
      if (bytes[i] === 37 && i + 2 < bytes.length && /^[0-9a-fA-F]{2}$/.test(hex)) {
        out.push(parseInt(hex, 16));
        i += 2;
      } else out.push(bytes[i]);
    }
    return Buffer.from(out).toString();
  }
}

const primitive = (v) => {
  switch (typeof v) {
    case 'string': return v;
    case 'number': return Number.isFinite(v) ? String(v) : '';
    case 'bigint': case 'boolean': return String(v);
  }
  return '';
};

function stringify(object, sep = '&', eq = '=', options = {}) {
  if (object === null || typeof object !== 'object') return '';
  const encode = options?.encodeURIComponent ?? module.exports.escape;
  const parts = [];
  for (const key of Object.keys(object)) {
    const value = object[key];
    for (const v of Array.isArray(value) ? value : [value]) parts.push(encode(primitive(key)) + eq + encode(primitive(v)));
  }
  return parts.join(sep);
}

function parse(text, sep = '&', eq = '=', options = {}) {
  const out = Object.create(null);
  if (typeof text !== 'string' || text === '') return out;
  const decode = options?.decodeURIComponent ?? module.exports.unescape;
  const safely = (s) => {
    try {
      return decode(s);
    } catch {
      return unescape(s);
    }
  };
  const most = options?.maxKeys ?? 1000;
  let parts = text.split(sep);
  if (most > 0) parts = parts.slice(0, most);
  for (const part of parts) {
    if (part === '') continue;
    const at = part.indexOf(eq);
    const key = safely((at < 0 ? part : part.slice(0, at)).replaceAll('+', ' '));
    const value = at < 0 ? '' : safely(part.slice(at + eq.length).replaceAll('+', ' '));
    if (!(key in out)) out[key] = value;
    else if (Array.isArray(out[key])) out[key].push(value);
    else out[key] = [out[key], value];
  }
  return out;
}

module.exports = { escape, unescape, stringify, parse, encode: stringify, decode: parse };
