import { StringDecoder } from 'string_decoder';

export default () => ['utf8', 'utf16le', 'base64', 'hex', 'latin1'].map((encoding) => [1, 2, 3].map((n) => {
  const bytes = Buffer.from(encoding === 'utf16le' ? 'a€é' : 'a€😀é', encoding === 'utf16le' ? 'utf16le' : 'utf8');
  const d = new StringDecoder(encoding);
  const out = [];
  for (let i = 0; i < bytes.length; i += n) out.push(d.write(bytes.subarray(i, i + n)));
  out.push(d.end());
  return out.join('|');
}));
