// A function's versions: their difference, the way back, aliases and the split.

import { useState } from 'preact/hooks';
import { change, get, type Problem } from '../api';
import { keepDraft, keepTenant } from '../draft';
import { bytes, visible, when } from '../text';
import { Confirm, navigate, ProblemBox, say, Show, Table, toProblem, useLoad, type Loaded } from '../ui';
import type { Func } from './tenants';

export interface Version extends Func { aliases: string[]; weight: number; secrets: string[]; missing_secrets?: string[]; code?: string }
interface Split { weights: Record<string, number>; started: string; invocations: number; failed: number; rollback?: { errors: string; min?: number; window?: string } }
export interface Versions { versions: Version[]; previous?: string; split?: Split; history: { at: string; what: string; version?: string; detail?: string }[] }
interface Diff { fields: { field: string; from: string; to: string }[] | null; files: { name: string; unified?: string; reason?: string }[] | null }

export const short = (v: string) => v.slice(0, 12);
const named = (v: Version) => short(v.version) + (v.aliases.length ? ` (${v.aliases.join(', ')})` : '');

export function VersionsPart({ path, live, versions, changed }: { path: string; live: string; versions: Loaded<Versions>; changed: () => void }) {
  const [problem, setProblem] = useState<Problem>();
  const [compared, compare] = useState<{ from: string; to: string; back?: boolean }>();
  const [code, setCode] = useState<Version>();
  const act = (f: () => Promise<unknown>, done?: string) => async () => {
    try { await f(); setProblem(undefined); if (done) say(done); } catch (e) { setProblem(toProblem(e)); }
    changed();
  };
  const codeOf = (v: Version) => get<Version>(`${path}/versions/${v.version}?code=1`);
  const edit = (v: Version) => act(async () => {
    const full = await codeOf(v);
    const settings: Record<string, string> = { memory: `${full.memory}`, timeout: full.timeout, concurrency: `${full.concurrency}` };
    if (full.memory % (1 << 20) === 0) settings.memory = `${full.memory >> 20}MiB`;
    if (full.cpu) settings.cpu = full.cpu;
    if (full.isolation !== 'fresh') settings.isolation = full.isolation;
    if (full.policy) settings.policy = full.policy;
    if (full.public) settings.public = 'true';
    keepDraft({ code: full.code ?? '', event: 'null', language: 'javascript', deployed: { tenant: full.tenant, function: full.function, settings } });
    keepTenant(full.tenant);
    navigate('/console/playground');
  });
  return <section>
    <h2>Versions</h2>
    {problem && <ProblemBox problem={problem} />}
    <Show of={versions} what="the versions">{(d) => <>
      <Table label="Versions" head={['Version', 'Aliases', 'Share', 'Memory', 'Timeout', 'Size', 'Deployed', '']}>
        {d.versions.map((v) => <tr class={v.version === live ? 'live' : ''}>
          <th scope="row"><code>{short(v.version)}</code>{v.version === live && <span class="tag">live</span>}{v.version === d.previous && <span class="tag">before</span>}{v.missing_secrets?.length ? <span class="tag bad" title={v.missing_secrets.join(', ')}>secrets missing</span> : null}</th>
          <td>{visible(v.aliases.join(', '))}</td><td>{v.weight} %</td><td>{bytes(v.memory)}</td><td>{v.timeout}</td><td>{bytes(v.size)}</td><td>{when(v.deployed)}</td>
          <td class="actions">
            <button type="button" onClick={act(async () => setCode(await codeOf(v)))}>Code</button>
            <button type="button" onClick={edit(v)}>Edit</button>
            {v.version !== live && live && <>
              <button type="button" onClick={() => compare({ from: v.version, to: live })}>Diff</button>
              <button type="button" onClick={() => compare({ from: live, to: v.version, back: true })}>Roll back</button></>}
          </td></tr>)}
      </Table>
      {compared && <Difference path={path} versions={d.versions} at={compared} set={compare} roll={act(async () => {
        await change('POST', path + '/rollback', { to: compared.to });
        compare(undefined);
      }, `${short(compared.to)} is live`)} />}
      {code?.code !== undefined && <section class="part" aria-label="Code"><h2>Code of <code>{short(code.version)}</code> <button type="button" onClick={() => setCode(undefined)}>Close</button></h2><pre class="source" tabIndex={0} role="group" aria-label="Source">{visible(code.code)}</pre></section>}
      <div class="columns">
        <Aliases path={path} versions={d.versions} act={act} />
        <SplitPart path={path} versions={d.versions} live={live} split={d.split} act={act} />
      </div>
      {d.history.length > 0 && <details class="part"><summary>History</summary><ul class="plain">{d.history.toReversed().map((h) => <li><span class="quiet">{when(h.at)}</span> {visible(h.what)} {h.version && <code>{visible(short(h.version))}</code>} {visible(h.detail ?? '')}</li>)}</ul></details>}
    </>}</Show>
  </section>;
}

type Act = (f: () => Promise<unknown>, done?: string) => () => Promise<void>;

function Difference({ path, versions, at, set, roll }: { path: string; versions: Version[]; at: { from: string; to: string; back?: boolean }; set: (at?: { from: string; to: string; back?: boolean }) => void; roll: () => Promise<void> }) {
  const diff = useLoad<Diff>(`${path}/diff?from=${encodeURIComponent(at.from)}&to=${encodeURIComponent(at.to)}`);
  const [busy, setBusy] = useState(false);
  const pick = (k: 'from' | 'to') => <select aria-label={k === 'from' ? 'From version' : 'To version'} value={at[k]} onChange={(e) => set({ ...at, [k]: e.currentTarget.value })}>{versions.map((v) => <option value={v.version}>{named(v)}</option>)}</select>;
  return <section aria-label="Difference" class="part difference">
    {at.back ? <h2>What going back to <code>{short(at.to)}</code> changes</h2> : <h2>From {pick('from')} to {pick('to')} <button type="button" onClick={() => set()}>Close</button></h2>}
    <Show of={diff} what="the difference">{(x) => <>
      {x.fields?.length ? <Table label="Settings that differ" head={['Setting', 'From', 'To']}>{x.fields.map((f) => <tr><th scope="row">{visible(f.field)}</th><td class="wrap">{visible(f.from)}</td><td class="wrap">{visible(f.to)}</td></tr>)}</Table> : null}
      {x.files?.map((f) => <><h3>{visible(f.name)}</h3>{f.unified ? <Unified text={f.unified} /> : <p class="quiet">{visible(f.reason ?? '')}</p>}</>)}
      {!x.fields?.length && !x.files?.length && <p class="quiet">They are the same.</p>}
    </>}</Show>
    {at.back && <div class="row" role="group" aria-label={`Make ${short(at.to)} live?`}>
      <span>All invocations go to <code>{short(at.to)}</code> at once; those that run end on the version that they began with.</span>
      <button type="button" class="danger" disabled={busy} onClick={async () => { setBusy(true); try { await roll(); } finally { setBusy(false); } }}>Make {short(at.to)} live</button>
      <button type="button" onClick={() => set()}>Cancel</button></div>}
  </section>;
}

function Unified({ text }: { text: string }) {
  return <pre class="diff" tabIndex={0} role="group" aria-label="Unified difference">{text.split('\n').map((l) => <span class={l.startsWith('+') ? 'add' : l.startsWith('-') ? 'del' : l.startsWith('@') ? 'hunk' : ''}>{visible(l) + '\n'}</span>)}</pre>;
}

const pickVersion = (versions: Version[], value: string, set: (v: string) => void, label: string) =>
  <select aria-label={label} value={value} onChange={(e) => set(e.currentTarget.value)}>{versions.map((v) => <option value={v.version}>{named(v)}</option>)}</select>;

/** Names of versions: made, moved and removed. live moves by rolling back or a deploy. */
function Aliases({ path, versions, act }: { path: string; versions: Version[]; act: Act }) {
  const [name, setName] = useState(''), [to, setTo] = useState('');
  const of = (alias: string) => `${path}/aliases/${encodeURIComponent(alias)}`;
  const target = versions.some((v) => v.version === to) ? to : versions[0]?.version ?? '';
  const all = versions.flatMap((v) => v.aliases.map((alias): [string, Version] => [alias, v])).sort(([a], [b]) => a < b ? -1 : 1);
  return <section>
    <h2>Aliases</h2>
    <Table label="Aliases" head={['Alias', 'Version', '']}>{all.map(([alias, v]) => <tr><th scope="row">{visible(alias)}</th>
      <td>{alias === 'live' ? <code>{short(v.version)}</code> : pickVersion(versions, v.version, (to) => void act(() => change('PUT', of(alias), { version: to }), `${alias} is moved`)(), `Version of ${alias}`)}</td>
      <td>{alias !== 'live' && <Confirm label="Remove" ask={`Remove ${alias}?`} danger act={act(() => change('DELETE', of(alias)), `${alias} is removed`)} />}</td></tr>)}</Table>
    <form class="row" aria-label="Make an alias" onSubmit={(e) => { e.preventDefault(); void act(async () => { await change('PUT', of(name.trim()), { version: target }); setName(''); }, `${name} is made`)(); }}>
      <label>Alias <input value={name} required size={12} placeholder="staging" onInput={(e) => setName(e.currentTarget.value)} /></label>
      <label>for {pickVersion(versions, target, setTo, 'Version of the new alias')}</label>
      <button type="submit">Make</button>
    </form>
  </section>;
}

/** Two versions that share the invocations. */
function SplitPart({ path, versions, live, split, act }: { path: string; versions: Version[]; live: string; split?: Split; act: Act }) {
  const others = versions.filter((v) => v.version !== live);
  const [to, setTo] = useState(''), [share, setShare] = useState(10);
  const [back, setBack] = useState({ on: true, errors: '5', min: '50', window: '1m' });
  const target = others.some((v) => v.version === to) ? to : others[0]?.version;
  const whole = Number.isInteger(share) && share >= 1 && share <= 99;
  return <section>
    <h2>Split</h2>
    {split ? <div class="notice">
      <p>{Object.entries(split.weights).sort(([a]) => a === live ? -1 : 1).map(([v, w]) => <span class="weight"><code>{visible(short(v))}</code> {v === live ? '(live)' : '(candidate)'} <strong>{w} %</strong> </span>)}</p>
      <p>Of the candidate’s last {split.invocations} invocations, {split.failed} failed. {split.rollback ? `It ends by itself when more than ${split.rollback.errors} of at least ${split.rollback.min ?? 50} in ${(split.rollback.window ?? '1m').replace(/([hm])0s$/, '$1').replace(/h0m$/, 'h')} fail.` : 'It does not end by itself.'}</p>
      <Confirm label="End the split" ask="Send all invocations to the live version?" act={act(() => change('DELETE', path + '/split'), 'The split has ended')} />
    </div> : !target || !live ? <p class="quiet">It takes a live version and another one.</p> : null}
    {target && live && <form class="row" aria-label="Set the split" onSubmit={(e) => {
      e.preventDefault();
      const body: Record<string, unknown> = { weights: { [live]: 100 - share, [target]: share } };
      if (back.on) body.rollback = { errors: back.errors.trim() + '%', min: +back.min || undefined, window: back.window.trim() || undefined };
      void act(() => change('PUT', path + '/split', body), 'The split holds')();
    }}>
      <label>Candidate {pickVersion(others, target, setTo, 'Candidate of the split')}</label>
      <label>gets <input type="number" min={1} max={99} step={1} required value={share} aria-label="Share of the candidate, in percent" onInput={(e) => setShare(e.currentTarget.valueAsNumber)} /> %</label>
      <label><code>{short(live)}</code> keeps <input type="number" min={1} max={99} step={1} required value={whole ? 100 - share : ''} aria-label="Share of the live version, in percent" onInput={(e) => setShare(100 - e.currentTarget.valueAsNumber)} /> %</label>
      <fieldset><legend>Roll back by itself</legend>
        <label class="check"><input type="checkbox" checked={back.on} onChange={(e) => setBack({ ...back, on: e.currentTarget.checked })} /> when it fails</label>
        <label>in more than <input size={3} disabled={!back.on} value={back.errors} aria-label="Percent of failures that is too much" onInput={(e) => setBack({ ...back, errors: e.currentTarget.value })} /> %</label>
        <label>of at least <input size={4} disabled={!back.on} inputMode="numeric" value={back.min} aria-label="Invocations that it takes" onInput={(e) => setBack({ ...back, min: e.currentTarget.value })} /></label>
        <label>within <input size={4} disabled={!back.on} value={back.window} aria-label="How far back they count" onInput={(e) => setBack({ ...back, window: e.currentTarget.value })} /></label>
      </fieldset>
      <button type="submit" disabled={!whole}>{split ? 'Change the split' : 'Split'}</button>
    </form>}
  </section>;
}
