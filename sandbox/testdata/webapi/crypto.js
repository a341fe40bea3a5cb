const S = crypto.subtle;
test('random', async () => {
  const a = new Uint8Array(32); ok(crypto.getRandomValues(a) === a); ok(a.some((n) => n !== 0));
  const v = new Uint32Array(4).subarray(1, 3); crypto.getRandomValues(v); eq(new Uint32Array(v.buffer)[0], 0);
  throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError'); throws(() => crypto.getRandomValues(new Float32Array(1)), 'TypeMismatchError');
  ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())); ok(crypto.randomUUID() !== crypto.randomUUID());
});
test('digest', async () => {
  for (const [n, want] of [
    ['SHA-1', 'a9993e364706816aba3e25717850c26c9cd0d89d'], ['sha-256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['SHA-384', 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'],
    ['SHA-512', 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'],
  ]) { const d = await S.digest(n, utf8('abc')); ok(d instanceof ArrayBuffer); eq(hex(d), want); }
  eq(hex(await S.digest({ name: 'SHA-256' }, new ArrayBuffer(0))).slice(0, 8), 'e3b0c442'); await rejects(S.digest('MD5', utf8('')), 'NotSupportedError'); await rejects(S.digest('SHA-256', 'x'), 'TypeError');
});
test('HMAC', async () => {
  const k = await S.importKey('raw', utf8('key'), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign', 'verify']);
  const m = await S.sign('HMAC', k, utf8('The quick brown fox jumps over the lazy dog'));
  eq(hex(m), 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8');
  ok(await S.verify('HMAC', k, m, utf8('The quick brown fox jumps over the lazy dog'))); eq(await S.verify('HMAC', k, m, utf8('x')), false); eq(await S.verify('HMAC', k, new ArrayBuffer(0), utf8('x')), false);
  const jwk = await S.exportKey('jwk', k); eq([jwk.kty, jwk.k, jwk.alg, jwk.ext, jwk.key_ops], ['oct', 'a2V5', 'HS256', true, ['sign', 'verify']]);
  const back = await S.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']); eq(hex(await S.sign('HMAC', back, utf8('a'))), hex(await S.sign('HMAC', k, utf8('a'))));
  await rejects(S.exportKey('raw', back), 'InvalidAccessError'); await rejects(S.verify('HMAC', back, m, utf8('')), 'InvalidAccessError');
  await rejects(S.importKey('jwk', jwk, { name: 'HMAC', hash: 'SHA-512' }, false, ['sign']), 'DataError');
  const g = await S.generateKey({ name: 'HMAC', hash: 'SHA-512' }, true, ['sign']); eq([g.type, g.algorithm.length, g.algorithm.hash.name, g.usages], ['secret', 1024, 'SHA-512', ['sign']]);
  eq(Object.prototype.toString.call(g), '[object CryptoKey]'); throws(() => new CryptoKey(), 'TypeError'); await rejects(S.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, []), 'SyntaxError'); await rejects(S.sign('HMAC', {}, utf8('')), 'TypeError');
  await rejects(S.importKey('raw', utf8('k'), { name: 'HMAC', hash: 'SHA-256' }, true, ['encrypt']), 'SyntaxError');
  k.usages.push('x'); k.usages.length = 0; ok(await S.sign('HMAC', k, utf8('')));
});
test('AES', async () => {
  const key = unhex('feffe9928665731c6d6a8f9467308308'); const iv = unhex('cafebabefacedbaddecaf888');
  const text = unhex('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'); const aad = unhex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
  const g = await S.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']); const alg = { name: 'AES-GCM', iv, additionalData: aad };
  const sealed = await S.encrypt(alg, g, text); eq(hex(sealed).slice(-32), '5bc94fbc3221a5db94fae95ae7121a47'); eq(hex(await S.decrypt(alg, g, sealed)), hex(text));
  const bad = new Uint8Array(sealed); bad[0] ^= 1; await rejects(S.decrypt(alg, g, bad), 'OperationError'); const short = { ...alg, tagLength: 96 };
  eq(hex(await S.decrypt(short, g, await S.encrypt(short, g, text))), hex(text)); await rejects(S.encrypt({ ...alg, tagLength: 100 }, g, text), 'OperationError');
  const c = await S.importKey('raw', unhex('2b7e151628aed2a6abf7158809cf4f3c'), 'AES-CBC', false, ['encrypt', 'decrypt']); const cbc = { name: 'AES-CBC', iv: unhex('000102030405060708090a0b0c0d0e0f') };
  const ct = await S.encrypt(cbc, c, unhex('6bc1bee22e409f96e93d7e117393172a')); eq(hex(ct).slice(0, 32), '7649abac8119b246cee98e9b12e9197d'); eq(ct.byteLength, 32); eq(hex(await S.decrypt(cbc, c, ct)), '6bc1bee22e409f96e93d7e117393172a');
  await rejects(S.decrypt(cbc, c, unhex('00')), 'OperationError'); await rejects(S.encrypt({ name: 'AES-CBC', iv: new Uint8Array(4) }, c, text), 'OperationError');
  const r = await S.importKey('raw', unhex('2b7e151628aed2a6abf7158809cf4f3c'), 'AES-CTR', false, ['encrypt', 'decrypt']); const ctr = { name: 'AES-CTR', counter: unhex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'), length: 64 };
  eq(hex(await S.encrypt(ctr, r, unhex('6bc1bee22e409f96e93d7e117393172a'))), '874d6191b620e3261bef6864990db6ce');
  const wrap = { name: 'AES-CTR', counter: unhex('000000000000000000000000000000ff'), length: 8 }; const both = hex(await S.encrypt(wrap, r, new Uint8Array(32)));
  eq(both.slice(32), hex(await S.encrypt({ ...wrap, counter: new Uint8Array(16) }, r, new Uint8Array(16)))); await rejects(S.encrypt({ ...wrap, length: 1 }, r, new Uint8Array(48)), 'OperationError');
  await rejects(S.encrypt(alg, c, text), 'InvalidAccessError'); await rejects(S.importKey('raw', new Uint8Array(15), 'AES-GCM', false, ['encrypt']), 'DataError');
  const gen = await S.generateKey({ name: 'AES-GCM', length: 256 }, true, ['encrypt', 'decrypt']); eq((await S.exportKey('raw', gen)).byteLength, 32); eq((await S.exportKey('jwk', gen)).alg, 'A256GCM');
});
test('AES-KW, wrapKey and unwrapKey', async () => {
  const kek = await S.importKey('raw', unhex('000102030405060708090a0b0c0d0e0f'), 'AES-KW', false, ['wrapKey', 'unwrapKey']); const k = await S.importKey('raw', unhex('00112233445566778899aabbccddeeff'), 'AES-GCM', true, ['encrypt']);
  const w = await S.wrapKey('raw', k, kek, 'AES-KW'); eq(hex(w), '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5'); const u = await S.unwrapKey('raw', w, kek, 'AES-KW', 'AES-GCM', true, ['encrypt']);
  eq(hex(await S.exportKey('raw', u)), '00112233445566778899aabbccddeeff'); await rejects(S.unwrapKey('raw', new Uint8Array(24), kek, 'AES-KW', 'AES-GCM', true, ['encrypt']), 'OperationError');
  const g = await S.generateKey({ name: 'AES-GCM', length: 128 }, false, ['wrapKey', 'unwrapKey']); const iv = new Uint8Array(12); const j = await S.wrapKey('jwk', k, g, { name: 'AES-GCM', iv });
  eq(hex(await S.exportKey('raw', await S.unwrapKey('jwk', j, g, { name: 'AES-GCM', iv }, 'AES-GCM', true, ['encrypt']))), '00112233445566778899aabbccddeeff');
});
test('PBKDF2 and HKDF', async () => {
  const p = await S.importKey('raw', utf8('password'), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
  const a = { name: 'PBKDF2', hash: 'SHA-1', salt: utf8('salt'), iterations: 2 }; eq(hex(await S.deriveBits(a, p, 160)), 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957');
  eq(hex(await S.deriveBits({ ...a, hash: 'SHA-256', iterations: 4096 }, p, 320)).slice(0, 64), 'c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a');
  await rejects(S.deriveBits({ ...a, iterations: 1e9 }, p, 160), 'NotSupportedError'); await rejects(S.deriveBits({ ...a, iterations: 0 }, p, 160), 'OperationError'); await rejects(S.deriveBits(a, p, 7), 'OperationError');
  const k = await S.deriveKey(a, p, { name: 'AES-GCM', length: 256 }, true, ['encrypt']); eq((await S.exportKey('raw', k)).byteLength, 32);
  const h = await S.importKey('raw', unhex('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b'), 'HKDF', false, ['deriveBits']);
  eq(hex(await S.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: unhex('000102030405060708090a0b0c'), info: unhex('f0f1f2f3f4f5f6f7f8f9') }, h, 336)), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
  await rejects(S.importKey('raw', utf8('x'), 'PBKDF2', true, ['deriveBits']), 'SyntaxError');
});
test('ECDSA and ECDH', async () => {
  for (const [namedCurve, n] of [['P-256', 64], ['P-384', 96], ['P-521', 132]]) {
    const p = await S.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']); const a = { name: 'ECDSA', hash: 'SHA-256' };
    eq([p.privateKey.usages, p.publicKey.usages, p.publicKey.algorithm], [['sign'], ['verify'], { name: 'ECDSA', namedCurve }]);
    const s = await S.sign(a, p.privateKey, utf8('m')); eq(s.byteLength, n); ok(await S.verify(a, p.publicKey, s, utf8('m'))); eq(await S.verify(a, p.publicKey, s, utf8('n')), false); eq(await S.verify(a, p.publicKey, new Uint8Array(3), utf8('n')), false);
    for (const f of ['spki', 'raw', 'jwk']) { const q = await S.importKey(f, await S.exportKey(f, p.publicKey), { name: 'ECDSA', namedCurve }, true, ['verify']); ok(await S.verify(a, q, s, utf8('m')), f); }
    for (const f of ['pkcs8', 'jwk']) { const q = await S.importKey(f, await S.exportKey(f, p.privateKey), { name: 'ECDSA', namedCurve }, true, ['sign']); ok(await S.verify(a, p.publicKey, await S.sign(a, q, utf8('z')), utf8('z')), f); }
    await rejects(S.sign(a, p.publicKey, utf8('')), 'InvalidAccessError'); await rejects(S.exportKey('pkcs8', p.publicKey), 'InvalidAccessError');
    const x = await S.generateKey({ name: 'ECDH', namedCurve }, false, ['deriveBits']), y = await S.generateKey({ name: 'ECDH', namedCurve }, false, ['deriveBits']);
    eq(hex(await S.deriveBits({ name: 'ECDH', public: y.publicKey }, x.privateKey, 256)), hex(await S.deriveBits({ name: 'ECDH', public: x.publicKey }, y.privateKey, 256)));
    await rejects(S.exportKey('pkcs8', x.privateKey), 'InvalidAccessError');
  }
  const p = await S.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']); await rejects(S.importKey('spki', await S.exportKey('spki', p.publicKey), { name: 'ECDSA', namedCurve: 'P-384' }, true, ['verify']), 'DataError');
  await rejects(S.generateKey({ name: 'ECDSA', namedCurve: 'K-256' }, true, ['sign']), 'NotSupportedError'); await rejects(S.importKey('spki', utf8('junk'), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']), 'DataError');
});
test('Ed25519 and X25519', async () => {
  const k = await S.importKey('jwk', { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }, 'Ed25519', true, ['sign']);
  eq(hex(await S.sign('Ed25519', k, new Uint8Array(0))).slice(0, 16), 'e5564300c360ac72'); const pub = await S.importKey('raw', unhex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'), 'Ed25519', true, ['verify']);
  ok(await S.verify('Ed25519', pub, await S.sign('Ed25519', k, utf8('x')), utf8('x'))); eq((await S.exportKey('jwk', pub)).x, '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo');
  const a = await S.generateKey('X25519', true, ['deriveBits']), b = await S.generateKey('X25519', true, ['deriveBits']); eq(hex(await S.deriveBits({ name: 'X25519', public: b.publicKey }, a.privateKey)), hex(await S.deriveBits({ name: 'X25519', public: a.publicKey }, b.privateKey, 256)));
  const again = await S.importKey('pkcs8', await S.exportKey('pkcs8', a.privateKey), 'X25519', true, ['deriveBits']); eq((await S.exportKey('jwk', again)).d, (await S.exportKey('jwk', a.privateKey)).d);
});
test('RSA', async () => {
  const gen = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
  const p = await S.generateKey({ name: 'RSASSA-PKCS1-v1_5', ...gen }, true, ['sign', 'verify']); eq([p.publicKey.algorithm.modulusLength, [...p.publicKey.algorithm.publicExponent], p.publicKey.algorithm.hash.name], [2048, [1, 0, 1], 'SHA-256']);
  const s = await S.sign('RSASSA-PKCS1-v1_5', p.privateKey, utf8('m')); eq(s.byteLength, 256); ok(await S.verify('RSASSA-PKCS1-v1_5', p.publicKey, s, utf8('m'))); eq(await S.verify('RSASSA-PKCS1-v1_5', p.publicKey, s, utf8('n')), false);
  const spki = await S.exportKey('spki', p.publicKey), pkcs8 = await S.exportKey('pkcs8', p.privateKey), jwk = await S.exportKey('jwk', p.privateKey); eq([jwk.kty, jwk.alg, jwk.e], ['RSA', 'RS256', 'AQAB']);
  ok(await S.importKey('jwk', jwk, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['sign'])); const pss = { name: 'RSA-PSS', hash: 'SHA-256' };
  const a = await S.importKey('pkcs8', pkcs8, pss, true, ['sign']), b = await S.importKey('spki', spki, pss, true, ['verify']); const z = await S.sign({ name: 'RSA-PSS', saltLength: 32 }, a, utf8('m')); ok(await S.verify({ name: 'RSA-PSS', saltLength: 32 }, b, z, utf8('m')));
  const oaep = { name: 'RSA-OAEP', hash: 'SHA-256' }; const e = await S.importKey('spki', spki, oaep, true, ['encrypt']), d = await S.importKey('pkcs8', pkcs8, oaep, true, ['decrypt']);
  const c = await S.encrypt({ name: 'RSA-OAEP', label: utf8('l') }, e, utf8('secret')); eq(new TextDecoder().decode(await S.decrypt({ name: 'RSA-OAEP', label: utf8('l') }, d, c)), 'secret'); await rejects(S.decrypt('RSA-OAEP', d, c), 'OperationError');
  await rejects(S.generateKey({ name: 'RSA-PSS', ...gen, modulusLength: 512 }, true, ['sign']), 'OperationError'); await rejects(S.encrypt('RSA-OAEP', e, new Uint8Array(300)), 'OperationError');
});
