// The console in a real Chromium. tests/console_test.go starts the supervisor
// and runs this with BULKHEAD_URL and BULKHEAD_CHROMIUM; with BULKHEAD_SHOTS, a
// folder, it leaves pictures there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const base = process.env.BULKHEAD_URL, shots = process.env.BULKHEAD_SHOTS;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.BULKHEAD_CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
});
after(() => browser.close());

/** Opens a page that may not misbehave: no request elsewhere, no console error, nothing that its policy forbids. */
async function open(t, where, options = {}, expected = () => false) {
  const context = await browser.newContext({ colorScheme: 'light', viewport: { width: 1280, height: 800 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const wrong = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !expected(m.text())) wrong.push('console: ' + m.text()); });
  page.on('pageerror', (e) => wrong.push('exception: ' + e.message));
  page.on('request', (r) => { if (new URL(r.url()).origin !== new URL(base).origin) wrong.push('request to ' + r.url()); });
  await page.exposeFunction('violated', (what) => wrong.push('policy: ' + what));
  await page.addInitScript(() => addEventListener('securitypolicyviolation', (e) => window.violated(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`)));
  await page.goto(base + where);
  page.calm = () => assert.deepEqual(wrong, []);
  return page;
}

const code = (page) => page.getByRole('textbox', { name: 'Code', exact: true });
async function write(page, text) {
  await code(page).click();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.insertText(text);
}
const outcome = (page) => page.getByRole('region', { name: 'Outcome' });
async function run(page, state = 'done') {
  await page.keyboard.press('Control+Enter');
  await page.locator(`.outcome[data-state=${state}]`).waitFor();
}
async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + n.failureSummary).join(' | ')}`), []);
}
const picture = (page, name) => shots && page.screenshot({ path: path.join(shots, name + '.png') });

test('without a tenant, the playground says what to do', async (t) => {
  const page = await open(t, '/');
  await page.waitForURL('**/console/playground');
  await page.getByText('There is no tenant yet').waitFor();
  await accessible(page);
  await page.getByLabel('Tenant').fill('acme');
  await page.getByLabel('Policy').selectOption('data');
  await page.getByRole('button', { name: 'Create' }).click();
  await code(page).waitFor();
  page.calm();
});

test('opens, types, runs with Ctrl+Enter, shows every value, logs and the receipt', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  const ready = await page.evaluate(() => performance.getEntriesByName('interactive')[0].startTime);
  t.diagnostic(`interactive after ${ready.toFixed(0)} ms`);
  await page.getByLabel('Example').selectOption('values');
  await code(page).click();
  await run(page);
  const tree = outcome(page).getByRole('group', { name: 'Result' });
  const text = (await tree.textContent()).replace(/\s+/g, ' ');
  for (const want of ['"é"', 'NaN', '-Infinity', '-0', '1208925819614629174706176n', 'undefined', '1970-01-01T00:00:00.000Z', '/a+/gi', 'Map(2)', 'Set(2)', 'Uint8Array(3)', 'Float32Array(2)', 'RangeError: kept with its cause', 'same as *0']) {
    assert.ok(text.includes(want), `${want} in ${text}`);
  }
  await write(page, 'export default async () => { console.log("first"); console.warn("careful"); return [1n, new Map([[{a: 1}, NaN]])] }');
  await run(page);
  const log = outcome(page).getByRole('log');
  assert.match(await log.textContent(), /first.*warn.*careful/s);
  for (const want of ['outcome', 'duration', 'CPU', 'peak memory', 'start', 'cold']) assert.ok((await outcome(page).locator('.receipt').textContent()).includes(want), want);
  assert.equal(await outcome(page).locator('summary').count(), 2);
  await outcome(page).locator('summary').first().click();
  assert.equal(await outcome(page).locator('summary').count(), 1, 'folded');
  page.calm();
});

test('shows each kind of value that the documentation has', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  const rows = [...readFileSync(new URL('../../docs/values.md', import.meta.url), 'utf8').matchAll(/^\| ([^|]+) \| `([^|]+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$/gm)].filter(([, what]) => !what.startsWith('where'));
  assert.ok(rows.length >= 30, `${rows.length} rows`);
  await write(page, `export default () => [\n${rows.map(([, , example]) => example).join(',\n')},\n]`);
  await run(page);
  const text = await outcome(page).getByRole('group', { name: 'Result' }).textContent();
  const kinds = rows.flatMap(([, what]) => /^`([A-Z]\w+(?:Array|Buffer|View|Map|Set|Error))`$/.exec(what)?.[1] ?? []);
  assert.ok(kinds.length >= 15, kinds.join());
  for (const want of [...kinds, 'null', 'undefined', 'true', '1.5', '-0', 'NaN', '-Infinity', '"é"', '\\ud800', '-1n', '1970-01-01T00:00:01.500Z', 'Invalid Date', '/a+/gi', 'RangeError: m', 'same as *']) assert.ok(text.includes(want), `${want} in ${text}`);
  page.calm();
});

test('log lines are there while the code runs, and it can be stopped', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  await write(page, 'export default async () => { console.log("under way"); await new Promise((r) => setTimeout(r, 20000)) }');
  await page.getByRole('tab', { name: 'Limits' }).click();
  await page.getByLabel('timeout').fill('25s');
  await code(page).click();
  await page.keyboard.press('Control+Enter');
  await outcome(page).getByText('under way').waitFor();
  assert.equal(await outcome(page).getAttribute('data-state'), 'running');
  await page.getByRole('button', { name: 'Stop' }).click();
  await outcome(page).getByText('stopped').waitFor();
  page.calm();
});

test('marks errors on their line', async (t) => {
  const page = await open(t, '/console/playground', {}, (text) => text.includes('status of 4') || text.includes('status of 5'));
  await code(page).waitFor();
  await write(page, 'export default function () {\n  const a = 1;\n  throw new TypeError("on line three");\n}');
  await run(page, 'failed');
  assert.match(await outcome(page).textContent(), /TypeError: on line three/);
  const marked = (want) => page.waitForFunction((want) => {
    const root = document.querySelector('.code .host').shadowRoot;
    const line = root.querySelector('.cm-lintRange-error, .cm-lintPoint-error')?.closest('.cm-line');
    return line && [...root.querySelectorAll('.cm-line')].indexOf(line) + 1 === want;
  }, want);
  await marked(3);
  await write(page, 'export default () => 1;\nlet = = 2;');
  await run(page, 'failed');
  await marked(2); // a syntax error
  await page.getByLabel('Language').selectOption('typescript');
  await write(page, 'interface A { n: number }\n\nexport default function (e: A) {\n  throw new Error("typed" as string);\n}');
  await run(page, 'failed');
  await marked(4); // TypeScript keeps its lines
  await write(page, 'const a: number = 1;\nconst b: = 2;');
  await run(page, 'failed');
  await marked(2); // TypeScript that cannot be read
  page.calm();
});

test('tells verdicts with their reason', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  await write(page, 'export default async () => { await kv.put("a", 1); try { await fetch("https://example.com") } catch (e) { return e.name } }');
  await run(page);
  const verdicts = outcome(page).locator('.verdict');
  await verdicts.nth(1).waitFor();
  const text = await outcome(page).textContent();
  assert.match(text, /allow kv\.put/);
  assert.match(text, /deny fetch.*policy/);
  page.calm();
});

test('hostile text stays text', async (t) => {
  const page = await open(t, '/console/playground', {}, (text) => text.includes('status of 5'));
  await code(page).waitFor();
  const hostile = '<img src=x onerror=alert(1)><script>alert(1)</script>\\u001b[31m\\u202e\\u0000</div>javascript:alert(1)';
  await write(page, `export default () => { const h = "${hostile}"; console.log(h); console.error({[h]: h}); return {[h]: h, m: new Map([[h, new Error(h)]]), __proto__: null} }`);
  await run(page);
  const html = await outcome(page).innerHTML();
  assert.ok(!/<(img|script)/i.test(html), html);
  const text = await outcome(page).textContent();
  assert.ok(text.includes('<img src=x') && text.includes('\\u202e') && text.includes('␛[31m') && text.includes('␀'), text);
  assert.ok(!/[\u0000-\u0008\u001b\u202e]/.test(text));
  await write(page, `export default () => { const e = new Error("${hostile}"); e.name = "${hostile}"; throw e }`);
  await run(page, 'failed');
  assert.ok(!/<(img|script)/i.test(await outcome(page).innerHTML()));
  // The diagnostic at the line is the editor's own element.
  await page.locator('.code .host').evaluate((host) => { if (host.shadowRoot.querySelector('img, script')) throw new Error('an element of the tenant'); });
  await write(page, 'export default () => "x".repeat(900000)');
  await run(page);
  await outcome(page).getByRole('button', { name: /900000 characters/ }).waitFor();
  page.calm();
});

test('a link holds the code, and runs nothing', async (t) => {
  const page = await open(t, '/console/playground', { permissions: ['clipboard-read', 'clipboard-write'] });
  await code(page).waitFor();
  await write(page, 'export default () => "from a link"');
  await page.getByRole('button', { name: 'Share' }).click();
  await page.getByText('The link is').waitFor();
  const link = page.url().includes('#code=') ? page.url() : await page.evaluate(() => navigator.clipboard.readText());
  let ran = 0;
  const other = await open(t, new URL(link).pathname + new URL(link).hash);
  other.on('request', (r) => { if (r.url().endsWith('/run')) ran++; });
  await other.getByText('This code came with a link').waitFor();
  assert.match(await code(other).textContent(), /from a link/);
  assert.equal(ran, 0);
  const broken = await open(t, '/console/playground#code=AAAA');
  await broken.getByText('cannot be read').waitFor();
  page.calm(); other.calm(); broken.calm();
});

test('by keyboard alone', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /Run/);
  await page.keyboard.press('Enter');
  await page.locator('.outcome[data-state=done]').waitFor();
  // Into the editor, and out of it: Escape, then Tab.
  const inEditor = () => page.evaluate(() => !!document.activeElement.shadowRoot);
  let steps = 0;
  while (!await inEditor() && steps++ < 15) await page.keyboard.press('Tab');
  assert.ok(await inEditor(), 'Tab reaches the editor');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  const left = await page.evaluate(() => document.activeElement.closest('.code') === null || !document.activeElement.shadowRoot);
  assert.ok(left, 'Escape and Tab leave it');
  page.calm();
});

// What the declarations declare, read without the help of the page's own build.
const declarations = readFileSync(new URL('../../types/index.d.ts', import.meta.url), 'utf8');
const declared = [...declarations.matchAll(/^declare (?:const|function|class) (\w+)/gm)].map((m) => m[1]);
const membersOf = (type) => {
  const [, base, body] = new RegExp(`^  interface ${type}(?: extends (\\w+))? \\{\\n([^]*?)^  \\}`, 'm').exec(declarations);
  return [...base ? membersOf(base) : [], ...[...body.matchAll(/^    (?:readonly )?(\w+)[?(<:]/gm)].map((m) => m[1])];
};
async function offered(page, text) {
  await write(page, text.slice(0, -1));
  await page.keyboard.type(text.slice(-1));
  await page.keyboard.press('Control+Space');
  const list = page.locator('.code .cm-tooltip-autocomplete li .cm-completionLabel');
  await list.first().waitFor();
  const found = await list.allTextContents();
  await page.keyboard.press('Escape');
  return found;
}

test('completes every global that is declared, and its members', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  assert.ok(declared.length >= 9 && declared.includes('kv') && declared.includes('PermissionError'), declared.join());
  for (const name of [...declared, 'fetch', 'Response', 'structuredClone']) {
    assert.ok((await offered(page, 'const x1 = ' + name)).includes(name), name);
  }
  const consts = [...declarations.matchAll(/^declare const (\w+): Bulkhead\.(\w+);/gm)];
  assert.ok(consts.length >= 6);
  for (const [, name, type] of consts) assert.deepEqual(new Set(await offered(page, `${name}.`)), new Set(membersOf(type)), name);
  for (const [text, want] of [
    ['export default { async fetch(request, env, ctx) { request.', ['url', 'headers', 'json', 'method']],
    ['export default { async fetch(request, env, ctx) { ctx.', ['waitUntil']],
    ['const r = await fetch("https://a.example"); r.', ['status', 'json', 'headers']],
    ['const r = await fetch("https://a.example"); r.headers.', ['get', 'set']],
    ['const f = async (e: Request) => e.', ['clone', 'text']],
    ['db.transaction(async (tx) => tx.', membersOf('Transaction')],
    ['const o = await storage.get("a"); o.', ['text', 'etag', 'body']],
    ['(await kv.list()).keys[0].', ['key', 'version']],
    ['new URL("https://a.example").searchParams.', ['get', 'append']],
    ['"text".', ['slice', 'toUpperCase']],
    ['[1].', ['map', 'at']],
    ['crypto.subtle.', ['digest']],
    ['console.', ['log', 'table']],
  ]) {
    const found = await offered(page, text);
    for (const one of want) assert.ok(found.includes(one), `${text}${one}: ${found.slice(0, 20)}`);
  }
  // What the sandbox does not have is not offered, and a name of one's own hides a global.
  assert.ok(!(await offered(page, 'navigator.')).includes('serviceWorker'));
  assert.ok(!(await offered(page, 'const kv = new Map(); kv.')).includes('getWithVersion'));
  // The first signature and its text, where the pointer rests.
  await write(page, 'kv.put("a", 1)');
  await page.locator('.code .cm-line').first().getByText('put', { exact: true }).hover();
  await page.locator('.code .cm-about').getByText('key: string, value: unknown').waitFor();
  await page.locator('.code .cm-about').getByText('ConflictError').waitFor();
  page.calm();
});

test('deploys, and shows versions, their difference, the way back and the log', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  const deploy = async (text) => {
    await write(page, text);
    await page.getByRole('button', { name: 'Deploy', exact: true }).click();
    await page.getByText(/Deployed acme\/hello, version/).waitFor();
  };
  await page.getByRole('button', { name: 'Deploy…' }).click();
  await page.getByLabel('Name of the function').fill('hello');
  await deploy('export default () => { console.log("one"); return 1 }');
  await page.reload();
  await page.getByRole('button', { name: 'Deploy…' }).click();
  await page.getByLabel('Name of the function').fill('hello');
  await deploy('export default () => { console.log("two"); return 2 }');
  await page.getByRole('link', { name: 'Tenants' }).click();
  await page.getByRole('link', { name: 'acme' }).click();
  await page.getByRole('link', { name: 'hello' }).click();
  await page.getByRole('button', { name: /^Invoke/ }).click();
  await page.getByRole('group', { name: 'Result' }).getByText('2').first().waitFor();
  await page.getByRole('log').getByText('two').waitFor();
  await page.getByRole('button', { name: 'Diff' }).first().click();
  await page.getByRole('group', { name: 'Unified difference' }).waitFor();
  assert.match(await page.getByRole('group', { name: 'Unified difference' }).textContent(), /-.*one[^]*\+.*two/);
  await accessible(page);
  await picture(page, 'function');
  await page.getByRole('button', { name: 'Roll back' }).click();
  const back = page.getByRole('region', { name: 'Difference' });
  assert.match(await back.getByRole('group', { name: 'Unified difference' }).textContent(), /-.*two[^]*\+.*one/);
  await page.waitForFunction(() => document.querySelectorAll('tbody tr')[0]?.className === 'live'); // asked, not done
  await back.getByRole('button', { name: /^Make \w+ live/ }).click();
  await page.waitForFunction(() => document.querySelectorAll('tbody tr')[1]?.className === 'live');
  await page.getByRole('button', { name: /^Invoke/ }).click();
  await page.getByRole('group', { name: 'Result' }).getByText('1').first().waitFor();
  page.calm();
});

const call = async (method, path, body) => {
  const r = await fetch(base + path, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
  assert.ok(r.ok, `${method} ${path}: ${r.status}`);
  return r.status === 204 ? undefined : r.json();
};
const functionOf = (name) => '/v1/tenants/acme/functions/' + name;

test('deploys with settings, and takes a version back into the editor', async (t) => {
  const page = await open(t, '/console/playground', {}, (text) => text.includes('status of 40'));
  await code(page).waitFor();
  await write(page, 'export default () => "settings"');
  await page.getByRole('button', { name: 'Deploy…' }).click();
  const form = page.getByRole('form', { name: 'Deploy' });
  await form.getByLabel('Name of the function').fill('tuned');
  await form.getByLabel('memory').fill('a lot');
  await form.getByRole('button', { name: 'Deploy', exact: true }).click();
  await form.getByRole('alert').getByText('memory').waitFor();
  await form.getByLabel('memory').fill('8MiB');
  await form.getByLabel('timeout').fill('2s');
  await form.getByLabel('concurrency').fill('7');
  await form.getByLabel('isolation').selectOption('warm');
  await form.getByLabel('policy').selectOption('compute');
  await form.getByLabel('public').selectOption('true');
  await form.getByLabel('alias').fill('staging');
  await form.getByRole('button', { name: 'Deploy', exact: true }).click();
  await form.getByText(/Deployed acme\/tuned/).waitFor();
  await accessible(page);
  await picture(page, 'deploy');
  const f = await call('GET', functionOf('tuned'));
  assert.deepEqual([f.memory, f.timeout, f.concurrency, f.isolation, f.policy, f.public], [8 << 20, '2s', 7, 'warm', 'compute', true]);
  await form.getByRole('link', { name: 'acme/tuned' }).click();
  await page.getByRole('button', { name: 'Edit' }).click();
  await code(page).waitFor();
  assert.match(await code(page).textContent(), /"settings"/);
  assert.equal(await form.getByLabel('Name of the function').inputValue(), 'tuned');
  assert.deepEqual(await Promise.all(['memory', 'timeout', 'concurrency', 'isolation', 'policy'].map((l) => form.getByLabel(l).inputValue())), ['8MiB', '2s', '7', 'warm', 'compute']);
  await write(page, 'export default () => "not yet live"');
  await form.getByLabel('make it live').uncheck();
  await form.getByRole('button', { name: 'Deploy', exact: true }).click();
  await form.getByText(/not live/).waitFor();
  assert.equal((await call('POST', functionOf('tuned') + '/invoke', null)), 'settings');
  page.calm();
});

test('makes, moves and removes aliases, and splits between two versions', async (t) => {
  for (const n of [1, 2]) await call('PUT', functionOf('shared'), { code: `export default () => ${n}` });
  const page = await open(t, '/console/tenants/acme/functions/shared', {}, (text) => text.includes('status of 4'));
  const [two, one] = (await call('GET', functionOf('shared') + '/versions')).versions.map((v) => v.version);
  const aliases = async () => Object.fromEntries((await call('GET', functionOf('shared') + '/versions')).versions.flatMap((v) => v.aliases.map((a) => [a, v.version])));
  const make = page.getByRole('form', { name: 'Make an alias' }), table = page.getByRole('region', { name: 'Aliases' }).last();
  await make.getByLabel('Alias', { exact: true }).fill('A b');
  await make.getByRole('button', { name: 'Make' }).click();
  await page.getByRole('alert').getByText(/a-z/).waitFor();
  await make.getByLabel('Alias', { exact: true }).fill('staging');
  await make.getByLabel('Version of the new alias').selectOption(one);
  await make.getByRole('button', { name: 'Make' }).click();
  await table.getByRole('row', { name: /staging/ }).waitFor();
  assert.deepEqual(await aliases(), { live: two, staging: one });
  await page.getByLabel('Version of staging').selectOption(two);
  await page.getByText('staging is moved').waitFor({ state: 'attached' });
  assert.deepEqual(await aliases(), { live: two, staging: two });
  await table.getByRole('row', { name: /staging/ }).getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('staging is removed').waitFor({ state: 'attached' });
  assert.deepEqual(await aliases(), { live: two });

  const split = page.getByRole('form', { name: 'Set the split' });
  await split.getByLabel('Share of the candidate').fill('30');
  assert.equal(await split.getByLabel('Share of the live version').inputValue(), '70');
  await split.getByLabel('Share of the live version').fill('60');
  assert.equal(await split.getByLabel('Share of the candidate').inputValue(), '40', 'they are 100 %');
  await split.getByLabel('Share of the candidate').fill('100');
  assert.ok(await split.getByRole('button', { name: 'Split' }).isDisabled());
  await split.getByLabel('Share of the candidate').fill('25');
  await split.getByLabel('Percent of failures').fill('500');
  await split.getByRole('button', { name: 'Split' }).click();
  await page.getByRole('alert').getByText(/must be percent/).waitFor();
  await split.getByLabel('Percent of failures').fill('2.5');
  await split.getByLabel('Invocations that it takes').fill('20');
  await split.getByRole('button', { name: 'Split' }).click();
  await page.getByText('It ends by itself when more than 2.5% of at least 20').waitFor();
  const set = (await call('GET', functionOf('shared') + '/versions')).split;
  assert.deepEqual([set.weights, set.rollback.errors, set.rollback.min], [{ [two]: 75, [one]: 25 }, '2.5%', 20]);
  await accessible(page);
  await picture(page, 'split');
  await page.getByRole('button', { name: 'End the split' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.getByText('It ends by itself').waitFor({ state: 'detached' });
  assert.equal((await call('GET', functionOf('shared') + '/versions')).split, undefined);
  page.calm();
});

test('sets secrets without showing them, and variables', async (t) => {
  await call('PUT', functionOf('reader'), { code: 'export default () => env.get("GREETING")' });
  const page = await open(t, '/console/tenants/acme', {}, (text) => text.includes('status of 4'));
  const form = page.getByRole('form', { name: 'Set a secret' });
  assert.equal(await form.getByLabel('Value', { exact: true }).getAttribute('type'), 'password');
  await form.getByLabel('Name').fill('API_KEY');
  await form.getByLabel('Value', { exact: true }).fill('hunter2-is-secret');
  await form.getByLabel('Hosts').fill('not a host!');
  await form.getByRole('button', { name: 'Set the secret' }).click();
  await page.getByRole('alert').waitFor();
  await form.getByLabel('Hosts').fill('api.example.com, *.example.org');
  await form.getByRole('button', { name: 'Set the secret' }).click();
  const row = page.getByRole('region', { name: 'Secrets' }).getByRole('row', { name: /API_KEY/ });
  await row.waitFor();
  for (const host of ['api.example.com', '*.example.org']) assert.ok((await row.textContent()).includes(host), host);
  assert.ok(!(await page.content()).includes('hunter2'));
  assert.equal(await form.getByLabel('Value', { exact: true }).inputValue(), '', 'forgotten once it is set');
  await page.getByRole('button', { name: 'Add a variable' }).click();
  await page.getByLabel('Name of variable 1').fill('GREETING');
  await page.getByLabel('Value of GREETING').fill('hello <b>');
  await page.getByRole('button', { name: 'Add a variable' }).click();
  await page.getByLabel('Name of variable 2').fill('GREETING');
  await page.getByText('GREETING is there twice').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled());
  await page.getByRole('button', { name: 'Remove' }).last().click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/^Saved/).waitFor();
  assert.deepEqual((await call('GET', '/v1/tenants/acme/env')).env, { GREETING: 'hello <b>' });
  assert.equal(await call('POST', functionOf('reader') + '/invoke', null), 'hello <b>');
  await accessible(page);
  await picture(page, 'settings');
  await row.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await row.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Change policy or tier' }).click();
  const held = page.getByRole('form', { name: 'Policy and tier' });
  await held.getByLabel('Tier').fill('none-such');
  await held.getByRole('button', { name: 'Save' }).click();
  await held.getByRole('alert').waitFor();
  page.calm();
});

test('explains verdicts, and calls that nobody makes', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  await write(page, 'export default async () => { try { await fetch("https://example.com/a") } catch (e) { return e.name } }');
  await run(page);
  await outcome(page).locator('.verdict').getByText('Explain').click();
  const why = outcome(page).getByRole('group', { name: /^Why fetch/ });
  await why.getByText('it decides').waitFor();
  assert.match(await why.textContent(), /deny fetch, by .* of policy data/);
  await page.getByRole('link', { name: 'Policies' }).click();
  await page.getByLabel('API').fill('kv.put');
  await page.getByLabel('What the rules look at').fill('key=user/1\nsize=2KiB');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByRole('group', { name: 'Why kv.put is decided so' }).getByText('it decides').waitFor();
  await page.getByLabel('Function’s policy').selectOption('compute');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('deny kv.put, by').waitFor();
  await accessible(page);
  await picture(page, 'explain');
  page.calm();
});

const pages = ['playground', 'overview', 'tenants', 'tenants/acme', 'tenants/acme/functions/shared', 'logs', 'audit', 'policies', 'sandboxes', 'tokens', 'nothing/here'];
for (const colorScheme of ['light', 'dark']) {
  test(`every page is accessible, ${colorScheme}`, async (t) => {
    const page = await open(t, '/console/playground', { colorScheme });
    for (const where of pages) {
      await page.goto(base + '/console/' + where);
      await page.locator('main h1').first().waitFor({ state: 'attached' });
      await page.getByText(/^Loading|^Connecting|^Asking/).first().waitFor({ state: 'detached' });
      if (where === 'playground') { await page.getByLabel('Example').selectOption('values'); await code(page).focus(); await run(page); }
      if (where === 'overview') await page.getByRole('img', { name: /Latency: p50 [\d.]/ }).waitFor();
      await accessible(page);
      await picture(page, `${where.replaceAll('/', '-')}-${colorScheme}`);
    }
    page.calm();
  });
}

test('the colours can be chosen', async (t) => {
  const page = await open(t, '/console/policies');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: /Colours: auto/ }).click();
  await page.getByRole('button', { name: /Colours: light/ }).click();
  await page.getByRole('button', { name: /Colours: dark/ }).waitFor();
  assert.notEqual(await ground(), light);
  await page.reload();
  assert.notEqual(await ground(), light);
  page.calm();
});

test('fits a phone', async (t) => {
  const page = await open(t, '/console/playground', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
  for (const where of pages) {
    await page.goto(base + '/console/' + where);
    await page.locator('main h1').first().waitFor({ state: 'attached' });
    await page.getByText(/^Loading|^Connecting|^Asking/).first().waitFor({ state: 'detached' });
    if (where === 'playground') { await code(page).waitFor(); await page.getByRole('button', { name: 'Run' }).click(); await page.locator('.outcome[data-state=done]').waitFor(); }
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(over <= 0, `${where} is ${over} pixels too wide`);
    await picture(page, where.replaceAll('/', '-') + '-phone');
    await accessible(page);
  }
  page.calm();
});

// The last: from the first token on, everybody needs one.
test('asks for a token, and shows what one may', async (t) => {
  const create = async (name, scopes, tenant, token) => {
    const r = await fetch(base + '/v1/tokens', { method: 'POST', headers: { 'content-type': 'application/json', ...(token && { authorization: 'Bearer ' + token }) }, body: JSON.stringify({ name, scopes, tenant }) });
    assert.equal(r.status, 201);
    return (await r.json()).token;
  };
  const admin = await create('boss', ['admin']);
  const invoker = await create('caller', ['tenant-invoke'], 'acme', admin);
  const page = await open(t, '/console/tokens', {}, (text) => text.includes('status of 40'));
  const field = page.getByLabel('Token');
  await field.waitFor();
  await accessible(page);
  await picture(page, 'token');
  await field.fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await field.fill(admin);
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: /boss/ }).waitFor();
  assert.equal(await page.evaluate(() => document.cookie + JSON.stringify(localStorage)), '{}');
  await page.getByRole('button', { name: 'Forget token' }).click();
  await field.fill(invoker);
  await page.keyboard.press('Enter');
  await page.getByText('the scope admin is needed').waitFor();
  await page.getByRole('link', { name: 'Playground', exact: true }).click();
  await page.getByText('This token may look').waitFor();
  await page.getByRole('link', { name: 'Logs' }).click();
  await page.getByText('Not allowed').waitFor();
  // A token that is revoked is asked for anew.
  assert.equal((await fetch(base + '/v1/tokens/caller', { method: 'DELETE', headers: { authorization: 'Bearer ' + admin } })).status, 204);
  await page.getByRole('link', { name: 'Policies' }).click();
  await field.waitFor();
  page.calm();
});
