import { useEffect, useRef, useState } from 'preact/hooks';
import { change, functionPath, get, type Problem, type Self } from '../api';
import type { Editor } from '../editor';
import { bytes, ms, visible, when } from '../text';
import { Confirm, Link, ProblemBox, Show, Table, toProblem, useLoad } from '../ui';
import { LogView } from './logs';
import type { Func } from './tenants';

interface Version extends Func { aliases: string[]; weight: number; secrets: string[]; missing_secrets?: string[]; code?: string }
interface Versions { versions: Version[]; previous?: string; split?: { weights: Record<string, number>; started: string; invocations: number; failed: number; rollback?: { errors: string } }; history: { at: string; what: string; version?: string; detail?: string }[] }
interface Diff { fields: { field: string; from: string; to: string }[] | null; files: { name: string; unified?: string; reason?: string }[] | null }

const short = (v: string) => v.slice(0, 12);

export function FunctionPage({ tenant, name, self }: { tenant: string; name: string; self: Self }) {
  const path = functionPath(tenant, name);
  const about = useLoad<Func>(path);
  const versions = useLoad<Versions>(path + '/versions');
  const [problem, setProblem] = useState<Problem>();
  const [from, setFrom] = useState(''), [to, setTo] = useState('');
  const [code, setCode] = useState<Version>();
  const diff = useLoad<Diff>(from && to ? `${path}/diff?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}` : '');
  const live = about.data?.version ?? '';
  const act = (f: () => Promise<unknown>) => async () => { try { await f(); setProblem(undefined); } catch (e) { setProblem(toProblem(e)); } about.reload(); versions.reload(); };
  return <>
    <p class="crumbs"><Link to="/console/tenants">Tenants</Link> / <Link to={'/console/tenants/' + tenant}>{visible(tenant)}</Link> / </p>
    <h1>{visible(name)}</h1>
    {problem && <ProblemBox problem={problem} />}
    <Show of={about} what="the function">{(f) => <dl class="receipt">
      {([['version', short(f.version) || 'none live'], ['form', f.shape ?? '–'], ['memory', bytes(f.memory)], ['timeout', f.timeout], ['CPU', f.cpu ?? 'no limit'], ['at once', String(f.concurrency)], ['isolation', f.isolation], ['policy', f.policy || 'the tenant’s'], ['size', bytes(f.size)], ['deployed', when(f.deployed)]] as const)
        .map(([k, v]) => <div><dt>{k}</dt><dd>{visible(v)}</dd></div>)}</dl>}</Show>
    <Invoke tenant={tenant} name={name} may={self.admin || self.scopes.includes('tenant-invoke')} />
    {versions.problem?.status !== 404 && <>
      <h2>Versions</h2>
      <Show of={versions} what="the versions">{(d) => <>
        {d.split && <p class="notice">The traffic is split: {visible(Object.entries(d.split.weights).map(([v, w]) => `${short(v)} ${w} %`).join(', '))}; {d.split.failed} of {d.split.invocations} failed{d.split.rollback ? `, back at ${d.split.rollback.errors}` : ''}.</p>}
        <Table label="Versions" head={['Version', 'Aliases', 'Share', 'Memory', 'Timeout', 'Size', 'Deployed', '']}>
          {d.versions.map((v) => <tr class={v.version === live ? 'live' : ''}>
            <th scope="row"><code>{short(v.version)}</code>{v.version === live && <span class="tag">live</span>}{v.version === d.previous && <span class="tag">before</span>}{v.missing_secrets?.length ? <span class="tag bad" title={v.missing_secrets.join(', ')}>secrets missing</span> : null}</th>
            <td>{visible(v.aliases.join(', '))}</td><td>{v.weight} %</td><td>{bytes(v.memory)}</td><td>{v.timeout}</td><td>{bytes(v.size)}</td><td>{when(v.deployed)}</td>
            <td class="actions">
              <button type="button" onClick={act(async () => setCode(await get<Version>(`${path}/versions/${v.version}?code=1`)))}>Code</button>
              {v.version !== live && <>
                <button type="button" onClick={() => { setFrom(v.version); setTo(live); }}>Diff</button>
                <Confirm label="Roll back" ask={`Make ${short(v.version)} live?`} act={act(() => change('POST', path + '/rollback', { to: v.version }))} /></>}
            </td></tr>)}
        </Table>
        {from && <section aria-label="Difference" class="part">
          <h2>From <select aria-label="From version" value={from} onChange={(e) => setFrom(e.currentTarget.value)}>{d.versions.map((v) => <option value={v.version}>{short(v.version)}</option>)}</select> to <select aria-label="To version" value={to} onChange={(e) => setTo(e.currentTarget.value)}>{d.versions.map((v) => <option value={v.version}>{short(v.version)}</option>)}</select> <button type="button" onClick={() => setFrom('')}>Close</button></h2>
          <Show of={diff} what="the difference">{(x) => <>
            {x.fields?.length ? <Table label="Settings that differ" head={['Setting', 'From', 'To']}>{x.fields.map((f) => <tr><th scope="row">{visible(f.field)}</th><td>{visible(f.from)}</td><td>{visible(f.to)}</td></tr>)}</Table> : null}
            {x.files?.map((f) => <><h3>{visible(f.name)}</h3>{f.unified ? <Unified text={f.unified} /> : <p class="quiet">{visible(f.reason ?? '')}</p>}</>)}
            {!x.fields?.length && !x.files?.length && <p class="quiet">They are the same.</p>}
          </>}</Show></section>}
        {code?.code !== undefined && <section class="part" aria-label="Code"><h2>Code of <code>{short(code.version)}</code> <button type="button" onClick={() => setCode(undefined)}>Close</button></h2><Source text={code.code} /></section>}
        {d.history.length > 0 && <details class="part"><summary>History</summary><ul class="plain">{d.history.toReversed().map((h) => <li><span class="quiet">{when(h.at)}</span> {visible(h.what)} {h.version && <code>{visible(short(h.version))}</code>} {visible(h.detail ?? '')}</li>)}</ul></details>}
      </>}</Show>
    </>}
    <h2>Log</h2>
    <LogView query={{ tenant, function: name, level: 'debug', grep: '' }} />
  </>;
}

function Unified({ text }: { text: string }) {
  return <pre class="diff" tabIndex={0} role="group" aria-label="Unified difference">{text.split('\n').map((l) => <span class={l.startsWith('+') ? 'add' : l.startsWith('-') ? 'del' : l.startsWith('@') ? 'hunk' : ''}>{visible(l) + '\n'}</span>)}</pre>;
}

function Source({ text }: { text: string }) {
  return <pre class="source" tabIndex={0} role="group" aria-label="Source">{visible(text)}</pre>;
}

function Invoke({ tenant, name, may }: { tenant: string; name: string; may: boolean }) {
  const host = useRef<HTMLDivElement>(null), editor = useRef<Editor | undefined>(undefined);
  const [said, setSaid] = useState<{ problem?: Problem; text?: string; ms?: number }>();
  const go = async () => {
    let event: unknown;
    try { event = JSON.parse(editor.current?.text().trim() || 'null'); } catch (e) { setSaid({ problem: { type: '', title: 'The event is not JSON', status: 0, detail: String((e as Error).message) } }); return; }
    try {
      const r = await change<{ value: unknown; duration_ms: number }>('POST', functionPath(tenant, name) + '/invoke?detail=true', event);
      setSaid({ text: JSON.stringify(r?.value, null, 2), ms: r?.duration_ms });
    } catch (e) { setSaid({ problem: toProblem(e) }); }
  };
  const run = useRef(go);
  run.current = go;
  useEffect(() => {
    if (!may) return;
    let gone = false;
    void import('../editor').then(({ makeEditor }) => { if (!gone) editor.current = makeEditor(host.current!, { text: 'null', language: 'json', label: 'Event, JSON', run: () => void run.current() }); });
    return () => { gone = true; editor.current?.destroy(); };
  }, []);
  if (!may) return null;
  return <><h2>Invoke</h2><div class="invoke"><div class="host small-editor" ref={host} /><button type="button" class="primary" onClick={() => void go()}>Invoke <kbd>Ctrl ↵</kbd></button></div>
    {said?.problem && <ProblemBox problem={said.problem} />}
    {said?.text !== undefined && <pre class="source" tabIndex={0} role="group" aria-label="Result">{visible(said.text)}{'\n'}<span class="quiet">{ms(said.ms ?? 0)}</span></pre>}</>;
}
