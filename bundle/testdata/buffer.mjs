import { Buffer } from 'node:buffer';

const hex = (b) => b.toString('hex');
const failure = (f) => {
  try {
    return f();
  } catch (e) {
    return `${e.name} ${e.code}`;
  }
};
const encodings = ['utf8', 'hex', 'base64', 'base64url', 'latin1', 'ascii', 'utf16le'];
const texts = ['', 'abc', 'héllo €😀', '6869', 'aGk=', '_-8', '\ud800x'];
const numbers = ['UInt8', 'Int8', 'UInt16LE', 'UInt16BE', 'Int16LE', 'Int32BE', 'UInt32LE', 'FloatBE', 'DoubleLE', 'BigInt64BE', 'BigUInt64LE'];

export default () => ({
  from: encodings.map((e) => texts.map((t) => hex(Buffer.from(t, e)))),
  to: encodings.map((e) => texts.map((t) => Buffer.from(t).toString(e))),
  broken: [[0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xff, 0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82, 0xac, 0x41]].map((b) => Buffer.from(b).toString()),
  lengths: [Buffer.byteLength('€'), Buffer.byteLength('6869', 'hex'), Buffer.byteLength('aGk=', 'base64')],
  concat: hex(Buffer.concat([Buffer.from('ab'), new Uint8Array([1, 2])], 3)),
  fill: [hex(Buffer.alloc(5, 'ab')), hex(Buffer.alloc(2)), hex(Buffer.alloc(3, 1))],
  write: (() => {
    const b = Buffer.alloc(4);
    return [b.write('a€€'), hex(b), b.write('ff', 1, 'hex'), hex(b)];
  })(),
  find: ['b', 'cd', 'x', 100].map((x) => [Buffer.from('abcdcd').indexOf(x), Buffer.from('abcdcd').lastIndexOf(x), Buffer.from('abcdcd').includes(x, 3)]),
  numbers: numbers.map((n) => {
    const b = Buffer.from('3f80818283848586', 'hex');
    const v = b['read' + n](0);
    b['write' + n](v, 0);
    return [String(v), hex(b)];
  }),
  odd: [Buffer.from('010203', 'hex').readUIntBE(0, 3), Buffer.from('ff0203', 'hex').readIntLE(0, 3)],
  shared: (() => {
    const b = Buffer.from('hello');
    const part = b.slice(1, 3);
    part[0] = 65;
    return [b.toString(), part.toString(), Buffer.isBuffer(part), part instanceof Buffer, part instanceof Uint8Array];
  })(),
  memory: (() => {
    const bytes = new Uint8Array([1, 2, 3]);
    const view = Buffer.from(bytes.buffer, 1);
    bytes[1] = 9;
    return [hex(view), hex(Buffer.from(bytes))];
  })(),
  json: JSON.stringify([Buffer.from('a'), Buffer.from(JSON.parse(JSON.stringify(Buffer.from('b'))))]),
  compare: [Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.from('a').equals(Buffer.from('a')), [Buffer.from('b'), Buffer.from('a')].sort(Buffer.compare).map(String)],
  copy: (() => {
    const b = Buffer.alloc(3);
    return [Buffer.from('abcd').copy(b, 1), hex(b), hex(Buffer.from('01020304', 'hex').swap16())];
  })(),
  iterate: [[...Buffer.from('ab')], [...Buffer.from('ab').entries()]],
  failures: [() => Buffer.from('x', 'nope'), () => Buffer.from(5), () => Buffer.alloc(-1), () => Buffer.alloc(8).readUInt32LE(5), () => Buffer.concat(5)].map(failure),
  encodings: ['utf8', 'UTF-8', 'x', null].map((e) => Buffer.isEncoding(e)),
});
