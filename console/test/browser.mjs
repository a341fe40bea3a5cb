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
  for (const want of ['duration', 'CPU', 'start', 'cold']) assert.ok((await outcome(page).locator('.receipt').textContent()).includes(want), want);
  assert.equal(await outcome(page).locator('summary').count(), 2);
  await outcome(page).locator('summary').first().click();
  assert.equal(await outcome(page).locator('summary').count(), 1, 'folded');
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

test('completes the platform APIs', async (t) => {
  const page = await open(t, '/console/playground');
  await code(page).waitFor();
  await write(page, 'export default async () => ');
  await page.keyboard.type('kv.getW');
  await page.locator('.code .cm-tooltip-autocomplete').getByText('getWithVersion').first().waitFor();
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
  await page.getByRole('button', { name: 'Diff' }).click();
  await page.getByRole('group', { name: 'Unified difference' }).waitFor();
  assert.match(await page.getByRole('group', { name: 'Unified difference' }).textContent(), /-.*one[^]*\+.*two/);
  await accessible(page);
  await picture(page, 'function');
  await page.getByRole('button', { name: 'Roll back' }).click();
  await page.getByRole('button', { name: 'Yes' }).click();
  await page.waitForFunction(() => document.querySelectorAll('tbody tr')[1]?.className === 'live');
  await page.getByRole('button', { name: /^Invoke/ }).click();
  await page.getByRole('group', { name: 'Result' }).getByText('1').first().waitFor();
  page.calm();
});

const pages = ['playground', 'overview', 'tenants', 'tenants/acme', 'logs', 'audit', 'policies', 'sandboxes', 'tokens', 'nothing/here'];
for (const colorScheme of ['light', 'dark']) {
  test(`every page is accessible, ${colorScheme}`, async (t) => {
    const page = await open(t, '/console/playground', { colorScheme });
    for (const where of pages) {
      await page.goto(base + '/console/' + where);
      await page.locator('main h1').first().waitFor({ state: 'attached' });
      await page.getByText(/^Loading|^Connecting|^Asking/).first().waitFor({ state: 'detached' });
      if (where === 'playground') { await code(page).click(); await page.getByLabel('Example').selectOption('values'); await code(page).click(); await run(page); }
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
  const page = await open(t, '/console/playground', { viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true });
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
