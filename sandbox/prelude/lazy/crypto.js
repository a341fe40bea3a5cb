// crypto, after the Web Cryptography API. Go computes; here are the keys, and the
// rules for what may be done with them.

const { web, tagged, domException, bytesOf, viewOf } = shared;

const token = {};
const fail = (name, message) => { throw domException(name, message); };
const bytes = bytesOf;
const fromBase64 = (text) => web('base64.decode', text);

const SECRET = ['HMAC', 'AES-GCM', 'AES-CBC', 'AES-CTR', 'AES-KW'];
const hashes = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];
const blockBits = { __proto__: null, 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };
const families = { // what a key pair is to Go
  __proto__: null, ECDSA: 'EC', ECDH: 'EC', 'RSASSA-PKCS1-v1_5': 'RSA', 'RSA-PSS': 'RSA', 'RSA-OAEP': 'RSA', Ed25519: 'Ed25519', X25519: 'X25519',
};
const names = [...hashes, ...SECRET, 'PBKDF2', 'HKDF', ...Object.keys(families)];
const allUsages = ['encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey'];

function usagesOf(name, type) {
  switch (name) {
    case 'HMAC': return ['sign', 'verify'];
    case 'AES-GCM': case 'AES-CBC': case 'AES-CTR': return ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
    case 'AES-KW': return ['wrapKey', 'unwrapKey'];
    case 'PBKDF2': case 'HKDF': return ['deriveKey', 'deriveBits'];
    case 'ECDH': case 'X25519': return type === 'private' ? ['deriveKey', 'deriveBits'] : [];
    case 'RSA-OAEP': return type === 'private' ? ['decrypt', 'unwrapKey'] : ['encrypt', 'wrapKey'];
    default: return type === 'private' ? ['sign'] : ['verify'];
  }
}

// algorithmOf copies an algorithm that a caller gave, with its name as the
// standard writes it.
function algorithmOf(given) {
  const algorithm = typeof given === 'object' && given !== null ? { ...given } : { name: given };
  const wanted = `${algorithm.name}`.toUpperCase();
  const name = names.find((n) => n.toUpperCase() === wanted);
  if (name === undefined) fail('NotSupportedError', `the algorithm '${algorithm.name}' is not supported`);
  algorithm.name = name;
  return algorithm;
}
function hashOf(algorithm) {
  if (algorithm.hash === undefined) throw new TypeError(`${algorithm.name}: hash is needed`);
  const { name } = algorithmOf(algorithm.hash);
  if (!hashes.includes(name)) fail('NotSupportedError', `${name} is not a hash`);
  return name;
}
const integer = (value, what) => {
  const n = Number(value);
  if (!(n >= 0 && n <= 0x7fffffff)) throw new TypeError(what + ' must be a number, and not negative');
  return Math.trunc(n);
};

let keyOf; // keyOf(key): its state

class CryptoKey {
  #k;
  constructor(secret, k) {
    if (secret !== token) throw new TypeError('Illegal constructor');
    this.#k = k;
  }
  static {
    keyOf = (key) => {
      if (typeof key !== 'object' || key === null || !(#k in key)) throw new TypeError('a CryptoKey is needed');
      return key.#k;
    };
  }
  get type() { return this.#k.type; }
  get extractable() { return this.#k.extractable; }
  get algorithm() { return this.#k.algorithm; }
  get usages() { return this.#k.usages; }
}

function makeKey(type, name, algorithm, extractable, usages, data, quiet) {
  const wanted = [...usages].map((u) => `${u}`);
  for (const u of wanted) if (!allUsages.includes(u)) throw new TypeError(`'${u}' is not a use of a key`);
  const allowed = usagesOf(name, type);
  if (!quiet && wanted.some((u) => !allowed.includes(u))) {
    fail('SyntaxError', `a ${type} key for ${name} can be used to ${allowed.join(', ') || 'nothing by itself'} only`);
  }
  const kept = allUsages.filter((u) => wanted.includes(u) && allowed.includes(u));
  if (kept.length === 0 && (type === 'private' || type === 'secret')) fail('SyntaxError', 'the key would have no use: usages is empty');
  // What says what the key may do must not change with what tenants are shown.
  return new CryptoKey(token, {
    type, name, extractable: Boolean(extractable), usages: kept, can: new Set(kept), algorithm, data,
    hash: algorithm.hash?.name, curve: algorithm.namedCurve,
  });
}

function keyFor(key, usage, algorithm) {
  const k = keyOf(key);
  if (algorithm !== undefined && k.name !== algorithm.name) fail('InvalidAccessError', `the key is for ${k.name}, not ${algorithm.name}`);
  if (!k.can.has(usage)) fail('InvalidAccessError', `the key's usages do not include ${usage}`);
  return k;
}

// secretKey makes a key of its bytes.
function secretKey(algorithm, data, extractable, usages) {
  const { name } = algorithm;
  const bits = data.byteLength * 8;
  const own = { name };
  if (name === 'HMAC') {
    if (bits === 0) fail('DataError', 'an HMAC key cannot be empty');
    own.hash = { name: hashOf(algorithm) };
    if (algorithm.length !== undefined && integer(algorithm.length, 'length') !== bits) fail('DataError', `the key has ${bits} bits`);
    own.length = bits;
  } else if (name.startsWith('AES-')) {
    if (bits !== 128 && bits !== 192 && bits !== 256) fail('DataError', 'an AES key has 128, 192 or 256 bits');
    own.length = bits;
  } else if (extractable) {
    fail('SyntaxError', `a key for ${name} cannot be extractable`);
  }
  return makeKey('secret', name, own, extractable, usages, data);
}

// halfKey makes a key of what Go tells of a private or public one.
function halfKey(algorithm, half, extractable, usages, quiet) {
  const { name } = algorithm;
  const own = { name };
  if (half.curve !== undefined) own.namedCurve = half.curve;
  if (half.bits !== undefined) {
    own.modulusLength = half.bits;
    own.publicExponent = new Uint8Array(fromBase64(half.exponent.replaceAll('-', '+').replaceAll('_', '/')));
    own.hash = { name: hashOf(algorithm) };
  }
  return makeKey(half.type, name, own, extractable, usages, fromBase64(half.data), quiet);
}

const jwkAlgorithms = {
  __proto__: null, 'RSASSA-PKCS1-v1_5': { 'SHA-1': 'RS1', 'SHA-256': 'RS256', 'SHA-384': 'RS384', 'SHA-512': 'RS512' },
  'RSA-PSS': { 'SHA-1': 'PS1', 'SHA-256': 'PS256', 'SHA-384': 'PS384', 'SHA-512': 'PS512' },
  'RSA-OAEP': { 'SHA-1': 'RSA-OAEP', 'SHA-256': 'RSA-OAEP-256', 'SHA-384': 'RSA-OAEP-384', 'SHA-512': 'RSA-OAEP-512' },
  HMAC: { 'SHA-1': 'HS1', 'SHA-256': 'HS256', 'SHA-384': 'HS384', 'SHA-512': 'HS512' },
};
const jwkAlg = (k) => {
  if (k.name.startsWith('AES-')) return `A${k.data.byteLength * 8}${k.name.slice(4)}`;
  return k.hash === undefined ? undefined : jwkAlgorithms[k.name][k.hash];
};

function checkJWK(jwk, extractable, usages) {
  if (typeof jwk !== 'object' || jwk === null || shared.isBufferSource(jwk)) throw new TypeError('a JWK must be an object');
  if (jwk.ext === false && extractable) fail('DataError', 'the JWK is not extractable');
  if (jwk.key_ops !== undefined) for (const u of usages) if (![...jwk.key_ops].includes(u)) fail('DataError', `the JWK's key_ops do not include ${u}`);
}

function importKey(format, data, algorithm, extractable, usages) {
  const { name } = algorithm;
  const family = families[name];
  if (format === 'jwk') {
    checkJWK(data, extractable, usages);
    if (family === undefined) {
      if (data.kty !== 'oct' || typeof data.k !== 'string') fail('DataError', 'the JWK is not a secret key');
      const key = secretKey(algorithm, fromBase64(data.k.replaceAll('-', '+').replaceAll('_', '/')), extractable, usages);
      const alg = jwkAlg(keyOf(key));
      if (data.alg !== undefined && data.alg !== alg) fail('DataError', `the JWK is for ${data.alg}, not ${alg}`);
      return key;
    }
    return halfKey(algorithm, web('crypto.import', 'jwk', family, shared.stringify(data), algorithm.namedCurve), extractable, usages);
  }
  data = bytes(data, 'importKey: the key data');
  if (family === undefined) {
    if (format !== 'raw') fail('NotSupportedError', `a key for ${name} has no format '${format}'`);
    return secretKey(algorithm, data, extractable, usages);
  }
  if (!['raw', 'pkcs8', 'spki'].includes(format)) throw new TypeError(`'${format}' is not a format of keys`);
  return halfKey(algorithm, web('crypto.import', format, family, data, algorithm.namedCurve), extractable, usages);
}

function exportKey(format, key) {
  const k = keyOf(key);
  if (!k.extractable) fail('InvalidAccessError', 'the key is not extractable');
  if (format === 'jwk') {
    const jwk = k.type === 'secret'
      ? { kty: 'oct', k: web('base64.encode', k.data, 1) } : web('crypto.export', 'jwk', k.type, k.data);
    const alg = jwkAlg(k);
    if (alg !== undefined) jwk.alg = alg;
    return { ...jwk, ext: true, key_ops: [...k.usages] };
  }
  const fits = k.type === 'secret' ? format === 'raw' : k.type === 'private' ? format === 'pkcs8' : format === 'spki' || format === 'raw';
  if (!fits) fail(['raw', 'pkcs8', 'spki'].includes(format) ? 'InvalidAccessError' : 'NotSupportedError', `a ${k.type} key has no format '${format}'`);
  if (format === 'raw' && k.type === 'public') return web('crypto.export', 'raw', k.type, k.data);
  return k.data.slice(0);
}

function cipher(algorithm, k, data, decrypt) {
  const of = (name) => bytes(algorithm[name], `${algorithm.name}: ${name}`);
  const way = decrypt ? 1 : 0;
  switch (algorithm.name) {
    case 'AES-GCM': {
      const more = algorithm.additionalData === undefined ? undefined : of('additionalData');
      const tag = algorithm.tagLength === undefined ? 128 : integer(algorithm.tagLength, 'tagLength');
      return web('crypto.aes', 'AES-GCM', way, k.data, data, of('iv'), tag, more);
    }
    case 'AES-CBC': return web('crypto.aes', 'AES-CBC', way, k.data, data, of('iv'));
    case 'AES-CTR': return web('crypto.aes', 'AES-CTR', way, k.data, data, of('counter'), integer(algorithm.length, 'length'));
    case 'RSA-OAEP': return web('crypto.rsa', way, k.hash, k.data, data, algorithm.label === undefined ? undefined : of('label'));
  }
  fail('NotSupportedError', `${algorithm.name} does not encrypt`);
}

function deriveBits(algorithm, base, length) {
  const k = base;
  const whole = length !== null && length !== undefined;
  const bits = whole ? integer(length, 'length') : 0;
  if (whole && bits % 8 !== 0) fail('OperationError', 'length must be a multiple of 8');
  if (algorithm.name === 'PBKDF2' || algorithm.name === 'HKDF') {
    if (!whole) fail('OperationError', 'length is needed');
    const salt = bytes(algorithm.salt, `${algorithm.name}: salt`);
    const last = algorithm.name === 'HKDF' ? bytes(algorithm.info, 'HKDF: info') : integer(algorithm.iterations, 'iterations');
    return web('crypto.derive', algorithm.name, hashOf(algorithm), k.data, salt, bits / 8, last);
  }
  if (algorithm.name !== 'ECDH' && algorithm.name !== 'X25519') fail('NotSupportedError', `${algorithm.name} does not derive`);
  const other = keyOf(algorithm.public);
  if (other.type !== 'public' || other.name !== k.name || other.curve !== k.curve) fail('InvalidAccessError', 'public must be a public key of the same kind');
  const secret = web('crypto.dh', k.data, other.data);
  if (!whole) return secret;
  if (bits > secret.byteLength * 8) fail('OperationError', `the shared secret has ${secret.byteLength * 8} bits`);
  return secret.slice(0, bits / 8);
}

function lengthOf(algorithm) {
  if (algorithm.name === 'HMAC') return algorithm.length === undefined ? blockBits[hashOf(algorithm)] : integer(algorithm.length, 'length');
  if (algorithm.name === 'PBKDF2' || algorithm.name === 'HKDF') return null;
  const bits = integer(algorithm.length, 'length');
  if (bits !== 128 && bits !== 192 && bits !== 256) fail('OperationError', 'an AES key has 128, 192 or 256 bits');
  return bits;
}

class SubtleCrypto {
  constructor(secret) { if (secret !== token) throw new TypeError('Illegal constructor'); }
  #own() {} // which no other object has
  async digest(algorithm, data) {
    this.#own();
    const { name } = algorithmOf(algorithm);
    if (!hashes.includes(name)) fail('NotSupportedError', `${name} is not a hash`);
    return web('crypto.digest', name, bytes(data, 'digest: the data'));
  }
  async encrypt(algorithm, key, data) {
    this.#own();
    const a = algorithmOf(algorithm);
    return cipher(a, keyFor(key, 'encrypt', a), bytes(data, 'encrypt: the data'), false);
  }
  async decrypt(algorithm, key, data) {
    this.#own();
    const a = algorithmOf(algorithm);
    return cipher(a, keyFor(key, 'decrypt', a), bytes(data, 'decrypt: the data'), true);
  }
  async sign(algorithm, key, data) {
    this.#own();
    const a = algorithmOf(algorithm);
    data = bytes(data, 'sign: the data');
    const k = keyFor(key, 'sign', a);
    if (a.name === 'HMAC') return web('crypto.hmac', k.hash, k.data, data);
    return web('crypto.sign', a.name, a.name === 'ECDSA' ? hashOf(a) : k.hash, k.data, data, saltOf(a));
  }
  async verify(algorithm, key, signature, data) {
    this.#own();
    const a = algorithmOf(algorithm);
    signature = bytes(signature, 'verify: the signature');
    data = bytes(data, 'verify: the data');
    const k = keyFor(key, 'verify', a);
    if (a.name === 'HMAC') return web('crypto.hmac', k.hash, k.data, data, signature);
    return web('crypto.verify', a.name, a.name === 'ECDSA' ? hashOf(a) : k.hash, k.data, data, signature, saltOf(a));
  }
  async deriveBits(algorithm, key, length = null) {
    this.#own();
    const a = algorithmOf(algorithm);
    return deriveBits(a, keyFor(key, 'deriveBits', a), length);
  }
  async deriveKey(algorithm, key, derived, extractable, usages) {
    this.#own();
    const a = algorithmOf(algorithm);
    const to = algorithmOf(derived);
    if (families[to.name] !== undefined || hashes.includes(to.name)) fail('NotSupportedError', `a key for ${to.name} cannot be derived`);
    return secretKey(to, deriveBits(a, keyFor(key, 'deriveKey', a), lengthOf(to)), extractable, usages);
  }
  async generateKey(algorithm, extractable, usages) {
    this.#own();
    shared.needLive('crypto.subtle.generateKey');
    const a = algorithmOf(algorithm);
    if (SECRET.includes(a.name)) {
      const bits = lengthOf(a);
      if (bits === 0 || bits % 8 !== 0 || bits > 65536 * 8) fail('OperationError', 'length must be a multiple of 8, and not 0');
      return secretKey(a, web('crypto.random', bits / 8), extractable, usages);
    }
    const family = families[a.name];
    if (family === undefined) fail('NotSupportedError', `a key for ${a.name} cannot be generated`);
    const uses = [...usages].map((u) => `${u}`);
    const both = [...usagesOf(a.name, 'private'), ...usagesOf(a.name, 'public')];
    if (uses.some((u) => !both.includes(u))) fail('SyntaxError', `a key for ${a.name} can be used to ${both.join(', ')} only`);
    if (family === 'RSA') {
      hashOf(a);
      const e = new Uint8Array(bytes(a.publicExponent, 'publicExponent'));
      if (e.reduce((n, b) => n * 256 + b, 0) !== 65537) fail('OperationError', 'publicExponent must be 65537');
    }
    const made = web('crypto.pair', family, a.namedCurve === undefined ? undefined : `${a.namedCurve}`, family === 'RSA' ? integer(a.modulusLength, 'modulusLength') : 0);
    return {
      privateKey: halfKey(a, made.privateKey, extractable, uses, true), publicKey: halfKey(a, made.publicKey, true, uses, true),
    };
  }
  async importKey(format, data, algorithm, extractable, usages) {
    this.#own();
    return importKey(`${format}`, data, algorithmOf(algorithm), extractable, [...usages]);
  }
  async exportKey(format, key) { this.#own(); return exportKey(`${format}`, key); }
  async wrapKey(format, key, wrapping, algorithm) {
    this.#own();
    const a = algorithmOf(algorithm);
    const k = keyFor(wrapping, 'wrapKey', a);
    let data = exportKey(`${format}`, key);
    if (format === 'jwk') data = web('text.encode', shared.stringify(data));
    return a.name === 'AES-KW' ? web('crypto.aes', 'AES-KW', 0, k.data, data) : cipher(a, k, data, false);
  }
  async unwrapKey(format, wrapped, unwrapping, algorithm, keyAlgorithm, extractable, usages) {
    this.#own();
    const a = algorithmOf(algorithm);
    const k = keyFor(unwrapping, 'unwrapKey', a);
    const data = bytes(wrapped, 'unwrapKey: the wrapped key');
    const plain = a.name === 'AES-KW' ? web('crypto.aes', 'AES-KW', 1, k.data, data) : cipher(a, k, data, true);
    const key = format === 'jwk' ? JSON.parse(web('text.decode', 'utf-8', plain)) : plain;
    return importKey(`${format}`, key, algorithmOf(keyAlgorithm), extractable, [...usages]);
  }
}

const saltOf = (algorithm) => {
  if (algorithm.name !== 'RSA-PSS') return 0;
  const n = integer(algorithm.saltLength, 'RSA-PSS: saltLength');
  if (n === 0) fail('NotSupportedError', 'RSA-PSS: a saltLength of 0 is not supported');
  return n;
};

const integerViews = new Set([
  'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array',
]);
const viewName = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

class Crypto {
  #subtle = new SubtleCrypto(token);
  constructor(secret) { if (secret !== token) throw new TypeError('Illegal constructor'); }
  get subtle() { return this.#subtle; }
  getRandomValues(array) {
    void this.#subtle; // which no other object has
    shared.needLive('crypto.getRandomValues');
    if (!integerViews.has(ArrayBuffer.isView(array) ? viewName.call(array) : undefined)) {
      fail('TypeMismatchError', 'getRandomValues: an array of integers is needed');
    }
    const view = viewOf(array);
    view.set(new Uint8Array(web('crypto.random', view.length)));
    return array;
  }
  randomUUID() {
    void this.#subtle;
    shared.needLive('crypto.randomUUID');
    return web('crypto.uuid');
  }
}

shared.use('clone').serializable.push((value) => {
  try { return new CryptoKey(token, keyOf(value)); } catch { return undefined; }
});

return { ...tagged({ __proto__: null, Crypto, CryptoKey, SubtleCrypto }), crypto: new Crypto(token) };
