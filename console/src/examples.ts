import files from 'examples:';

export interface Example { name: string; title: string; code: string; event: string; language: 'javascript' | 'typescript' }

const file = (name: string, title: string, event: unknown): Example =>
  ({ name, title, code: files[name], event: JSON.stringify(event, null, 2), language: 'javascript' });

export const examples: Example[] = [
  {
    name: 'hello', title: 'Hello', language: 'javascript', event: '{\n  "name": "Ada"\n}',
    code: `// Ctrl+Enter (or Cmd+Enter) runs this in a sandbox.
export default async function (event) {
  console.log('hello from', event.name);
  return { greeting: \`Hello, \${event.name}!\`, at: new Date() };
}
`,
  },
  {
    name: 'values', title: 'Every kind of value', language: 'javascript', event: 'null',
    code: `// Results cross without loss: not only what JSON has.
export default function () {
  const loop = { name: 'a cycle' };
  loop.self = loop;
  return {
    text: 'é', number: 1.5, odd: [NaN, -Infinity, -0], big: 2n ** 80n,
    nothing: [null, undefined], when: new Date(0), pattern: /a+/gi,
    map: new Map([['a', 1], [{ key: 'object' }, 2]]), set: new Set([1, 'two']),
    bytes: new Uint8Array([1, 2, 255]), floats: new Float32Array([0.5, 1]),
    error: new RangeError('kept with its cause', { cause: 'here' }), loop,
  };
}
`,
  },
  {
    name: 'typed', title: 'TypeScript', language: 'typescript', event: '[\n  { "name": "tea", "cents": 450 },\n  { "name": "cup", "cents": 1200 }\n]',
    code: `interface Item { name: string; cents: number }

// Types are taken out in the browser; lines stay where they are.
export default function (items: Item[]): { total: string; dearest?: Item } {
  const total = items.reduce((sum: number, item) => sum + item.cents, 0);
  return { total: (total / 100).toFixed(2), dearest: items.toSorted((a, b) => b.cents - a.cents)[0] };
}
`,
  },
  file('visits', 'A counter in kv', { page: 'home' }),
  file('orders', 'Orders in a database', { customer: 'ada', items: [{ name: 'tea', cents: 450 }] }),
  file('report', 'Objects in storage', { month: '2026-05', lines: ['a,1', 'b,2'] }),
  file('process-webhook', 'Fetching what a webhook names', { url: 'https://example.com/' }),
  file('outsider', 'What the policy does not allow', null),
  file('endless-loop', 'An endless loop', null),
  file('memory-hog', 'Memory without end', null),
];
