// Completion of what functions find as globals, after docs/platform-apis.md
// and docs/web-apis.md.

import { completeFromList, completeAnyWord, snippetCompletion, type Completion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete';
import { localCompletionSource, javascriptLanguage, typescriptLanguage, scopeCompletionSource } from '@codemirror/lang-javascript';

type Entry = [name: string, signature: string, info: string];

const members: Record<string, Entry[]> = {
  kv: [
    ['get', '(key): Promise<value | undefined>', 'The value as it was put.'],
    ['getWithVersion', '(key): Promise<{value, version, expires} | undefined>', 'The value with its version, for ifVersion.'],
    ['put', '(key, value, {ttl, ifVersion, ifAbsent}?): Promise<{version}>', 'Stores any value that crosses. ttl is in seconds. ConflictError when a condition does not hold.'],
    ['delete', '(key, {ifVersion}?): Promise<boolean>', 'True if it was there.'],
    ['list', '({prefix, limit, cursor}?): Promise<{keys, cursor}>', 'Keys in order, without values; at most 1,000 at once.'],
  ],
  storage: [
    ['get', '(key, {range}?): Promise<object | undefined>', 'An object with text(), json(), bytes() and body, a stream.'],
    ['put', '(key, body, {contentType, metadata, size}?): Promise<object>', 'Stores a string, bytes, a Blob or a stream, whole or not at all.'],
    ['head', '(key): Promise<object | undefined>', 'What get tells, without the body.'],
    ['delete', '(key): Promise<boolean>', 'True if it was there.'],
    ['list', '({prefix, delimiter, limit, cursor}?): Promise<{objects, prefixes, cursor}>', 'Objects in order of their keys.'],
  ],
  queue: [['send', '(queue, message, {delay}?): Promise<{id}>', 'At least once, in the order of sending; delay is in seconds.']],
  secrets: [['get', '(name): string', 'A placeholder that fetch replaces on its way to the hosts that the secret names.']],
  env: [['get', '(name): string | undefined', 'A variable that the operator set.'], ['all', '(): Record<string, string>', 'All of them.']],
  db: [
    ['query', '(sql, params?): Promise<row[]>', 'Rows as objects.'],
    ['exec', '(sql, params?): Promise<{rowsAffected, lastInsertRowid}>', 'A statement without rows.'],
    ['transaction', '(async (tx) => …): Promise<…>', 'Both or neither: rolled back when the callback throws.'],
  ],
  console: ['log', 'info', 'warn', 'error', 'debug', 'table', 'group', 'groupEnd', 'time', 'timeEnd', 'assert', 'dir', 'trace', 'count'].map((n) => [n, '(…values)', 'Goes to the invocation’s log.'] as Entry),
  crypto: [['randomUUID', '(): string', ''], ['getRandomValues', '(array)', ''], ['subtle', '', 'Web Crypto.']],
  performance: [['now', '(): number', 'Milliseconds, in tenths, since the invocation began.']],
};
for (const name of ['JSON', 'Math', 'Object', 'Array', 'Promise', 'Number', 'String', 'Date', 'Reflect']) {
  const object = (globalThis as unknown as Record<string, object>)[name];
  members[name] = Object.getOwnPropertyNames(object).filter((n) => !['length', 'name', 'prototype', 'arguments', 'caller'].includes(n)).map((n) => [n, '', '']);
}

const globals: Entry[] = [
  ['fetch', '(url, init?): Promise<Response>', 'The web standard’s, as far as the policy goes.'],
  ['log', '(…values)', 'Writes a line of the invocation’s log.'],
  ['invoke', '(function, event, {timeout}?): Promise<value>', 'Calls another function of the same tenant. FunctionError when it fails.'],
  ['db_query', '(sql, params?): Promise<row[]>', 'The same as db.query.'],
  ...['kv', 'storage', 'queue', 'secrets', 'env', 'db', 'console', 'crypto', 'performance'].map((n) => [n, '', 'Type a dot for its members.'] as Entry),
  ...('Map Set Date URL URLSearchParams URLPattern Headers Request Response Blob File FormData TextEncoder TextDecoder AbortController AbortSignal ReadableStream WritableStream TransformStream CompressionStream ' +
    'DecompressionStream structuredClone setTimeout clearTimeout setInterval clearInterval queueMicrotask atob btoa PermissionError Error TypeError RangeError BigInt Uint8Array Float64Array ArrayBuffer JSON Math Object Array Promise Number String').split(' ').map((n) => [n, '', ''] as Entry),
];

const option = (type: string) => ([label, detail, info]: Entry): Completion => ({ label, detail: detail || undefined, info: info || undefined, type });
const top = completeFromList([
  ...globals.map(option('variable')),
  snippetCompletion('export default async function (event) {\n\t${}\n}', { label: 'export default', detail: 'a function', type: 'keyword' }),
  snippetCompletion('export default {\n\tasync fetch(request, env, ctx) {\n\t\treturn new Response(${"hello"});\n\t},\n};', { label: 'export default fetch', detail: 'an HTTP function', type: 'keyword' }),
]);
const ofObject = Object.fromEntries(Object.entries(members).map(([name, list]) => [name, list.map(option('method'))]));
const local = scopeCompletionSource({});

export async function completions(context: CompletionContext): Promise<CompletionResult | null> {
  const dotted = context.matchBefore(/\b[\w$]+\.[\w$]*$/);
  if (dotted) {
    const [object, typed] = dotted.text.split('.');
    const options = ofObject[object];
    if (options) return { from: context.pos - typed.length, options, validFor: /^[\w$]*$/ };
    return completeAnyWord(context);
  }
  const keywords = (javascriptLanguage.isActiveAt(context.state, context.pos) || typescriptLanguage.isActiveAt(context.state, context.pos)) ? localCompletionSource(context) : null;
  const found = [await top(context), keywords, await local(context)].filter((r): r is CompletionResult => !!r);
  if (!found.length) return null;
  return { ...found[0], options: found.flatMap((r) => r.options as Completion[]) };
}
