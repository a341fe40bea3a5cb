import { useEffect, useRef, useState } from 'preact/hooks';
import { lines, tenantPath, type Problem, type Self, type Spent, type Thrown } from './api';
import { fromBase64, show, type Shown } from './cbor';
import { Deploy } from './deploy';
import { keepDraft, keepTenant, lastTenant, loadDraft, type Draft } from './draft';
import type { Editor, Language, Mark } from './editor';
import { examples } from './examples';
import { Explained } from './explain';
import { fromFragment, toFragment } from './share';
import { CreateTenant, useTenants } from './tenantpick';
import { bytes, clock, ms, number, visible } from './text';
import { Empty, ProblemBox, say, Show, Table, toProblem, useLoad } from './ui';
import { Tree } from './values';

interface Line { time: string; level: string; message: string }
export interface Verdict {
  api: string; action: string; policy: string; rule: string; place?: string; reason?: string; duration_ns?: number; sent?: number; received?: number; error?: string;
  time: string; tenant: string; function: string; attributes?: Record<string, unknown>;
}
interface Result extends Spent { duration_ms: number; value?: unknown; cbor?: string }
interface Happening { log?: Line; verdict?: Verdict; lost?: number; result?: Result; problem?: Problem }
interface Run { state: 'running' | 'done' | 'failed' | 'stopped'; logs: Line[]; verdicts: Verdict[]; lost: number; result?: Result; shown?: Shown; problem?: Problem }
function fromJSON(v: unknown): Shown {
  if (Array.isArray(v)) return { kind: 'array', text: `Array(${v.length})`, children: v.map((e, i) => ({ key: String(i), value: fromJSON(e) })) };
  if (v && typeof v === 'object') return { kind: 'object', text: 'Object', children: Object.entries(v).map(([key, e]) => ({ key, value: fromJSON(e) })) };
  return { kind: v === null ? 'empty' : typeof v as 'string', text: String(v) };
}

/** Where in the code a stack's first frame of it is. */
export function placesOf(t: Thrown | undefined): Mark[] {
  for (let x = t; x; x = x.cause) {
    const at = /(?:^|[\s(@])(?:[\w.@/-]+\.m?js|[\w-]+):(\d+):(\d+)\)?\s*$/m.exec(x.stack ?? '');
    if (at) return [{ line: +at[1], column: +at[2], message: x.message ? `${x.name}: ${x.message}` : x.name }];
  }
  return [];
}

export function Playground({ self }: { self: Self }) {
  const tenants = useTenants(self);
  return <Show of={tenants} what="the tenants" empty={(d) => !d.tenants.length && <Empty>
    <h1>Playground</h1>
    {self.admin ? <><p>Code runs as a function of a tenant, under its policy. There is no tenant yet: create one.</p><CreateTenant done={tenants.reload} /></>
      : <p>This token is for no tenant: one with the scope <code>tenant-deploy</code> is needed to run code.</p>}
  </Empty>}>{(d) => <Desk self={self} tenants={d.tenants.map((t) => t.name)} policies={new Map(d.tenants.map((t) => [t.name, t.policy]))} />}</Show>;
}

function Desk({ self, tenants, policies }: { self: Self; tenants: string[]; policies: Map<string, string> }) {
  const draft = useRef<Draft>(loadDraft() ?? examples[0]);
  const [language, setLanguage] = useState(draft.current.language);
  const [tenant, setTenant] = useState(() => tenants.includes(lastTenant()) ? lastTenant() : tenants[0]);
  const [settings, setSettings] = useState<Record<string, string>>(() => draft.current.deployed?.settings ?? {});
  const [deploying, setDeploying] = useState(draft.current.deployed !== undefined);
  const [run, setRun] = useState<Run>();
  const [notice, setNotice] = useState('');
  const [tab, setTab] = useState<'event' | 'settings'>('event');
  const codeHost = useRef<HTMLDivElement>(null), eventHost = useRef<HTMLDivElement>(null);
  const code = useRef<Editor | undefined>(undefined), event = useRef<Editor | undefined>(undefined);
  const stop = useRef<AbortController | undefined>(undefined);
  const start = useRef(() => {});
  const may = self.admin || self.scopes.includes('tenant-deploy');
  const known = useLoad<{ policies: { name: string }[] }>(deploying && may ? '/v1/policies' : '');

  const keep = () => keepDraft(draft.current);
  const set = (name: string, value: string) => setSettings((was) => ({ ...was, [name]: value }));
  const put = (d: Draft) => {
    draft.current = { code: d.code, event: d.event, language: d.language };
    setLanguage(d.language);
    code.current?.setLanguage(d.language);
    code.current?.setText(d.code);
    event.current?.setText(d.event);
    keep();
  };

  useEffect(() => {
    let gone = false;
    void import('./editor').then(({ makeEditor }) => {
      if (gone) return;
      code.current = makeEditor(codeHost.current!, { text: draft.current.code, language: draft.current.language, label: 'Code', run: () => start.current(), changed: (t) => { draft.current.code = t; keep(); } });
      event.current = makeEditor(eventHost.current!, { text: draft.current.event, language: 'json', label: 'Event, JSON', run: () => start.current(), changed: (t) => { draft.current.event = t; keep(); } });
      performance.mark('interactive');
    });
    const linked = async () => {
      try {
        const shared = await fromFragment(location.hash);
        if (!shared || gone) return;
        put(shared);
        setRun(undefined);
        setNotice('This code came with a link. Read it before you run it: it acts on the tenant’s data.');
        history.replaceState(null, '', location.pathname);
      } catch (e) { setNotice('The link’s code cannot be read: ' + (e instanceof Error ? e.message : String(e))); }
    };
    void linked();
    addEventListener('hashchange', linked);
    return () => { gone = true; removeEventListener('hashchange', linked); stop.current?.abort(); code.current?.destroy(); event.current?.destroy(); };
  }, []);

  /** The code as it is sent; undefined when it cannot be. */
  const javascript = async (): Promise<string | undefined> => {
    const text = code.current!.text();
    if (language !== 'typescript') return text;
    const { strip, SyntaxFault } = await import('./strip');
    try { return strip(text); } catch (e) {
      if (!(e instanceof SyntaxFault)) throw e;
      code.current!.mark([{ line: e.line, column: e.column, message: e.message }]);
      setRun({ state: 'failed', logs: [], verdicts: [], lost: 0, problem: { type: '', title: 'The TypeScript cannot be read', status: 0, problems: [{ field: 'code', line: e.line, column: e.column, reason: e.message }] } });
      return undefined;
    }
  };

  start.current = () => { void go(); };
  async function go() {
    if (!code.current || !event.current || !may) return;
    stop.current?.abort();
    const ended = stop.current = new AbortController();
    code.current.mark([]);
    setNotice('');
    let payload: unknown;
    try { payload = JSON.parse(event.current.text().trim() || 'null'); } catch (e) {
      setTab('event');
      setRun({ state: 'failed', logs: [], verdicts: [], lost: 0, problem: { type: '', title: 'The event is not JSON', status: 0, detail: String((e as Error).message) } });
      return;
    }
    const source = await javascript();
    if (source === undefined) return;
    const now: Run = { state: 'running', logs: [], verdicts: [], lost: 0 };
    let drawn = 0;
    const draw = () => { drawn ||= requestAnimationFrame(() => { drawn = 0; if (stop.current === ended) setRun({ ...now }); }); };
    setRun({ ...now });
    try {
      const body: Record<string, unknown> = { code: source, event: payload };
      for (const k of ['timeout', 'memory', 'cpu', 'policy']) if (settings[k]?.trim()) body[k] = settings[k].trim();
      await lines<Happening>('POST', tenantPath(tenant) + '/run', body, ended.signal, (h) => {
        if (h.log) now.logs.push(h.log);
        if (h.verdict) now.verdicts.push(h.verdict);
        if (h.lost) now.lost += h.lost;
        if (h.problem) { now.problem = h.problem; now.state = 'failed'; }
        if (h.result) {
          now.result = h.result;
          now.state = 'done';
          try { now.shown = h.result.cbor ? show(fromBase64(h.result.cbor)) : fromJSON(h.result.value); } catch (e) {
            now.problem = { type: '', title: 'The result cannot be shown', status: 0, detail: e instanceof Error ? e.message : String(e) };
          }
        }
        draw();
      });
      if (now.state === 'running') throw new Error('the supervisor ended the answer early');
    } catch (e) {
      if (ended.signal.aborted) now.state = 'stopped';
      else { now.problem = toProblem(e); now.state = 'failed'; }
    }
    if (stop.current !== ended) return;
    cancelAnimationFrame(drawn);
    setRun({ ...now });
    const p = now.problem;
    if (p) {
      const faults = (p.problems ?? []).filter((f) => f.line && !f.file).map((f) => ({ line: f.line!, column: f.column, message: f.reason }));
      code.current?.mark(faults.length ? faults : placesOf(p.exception));
    }
    // On a phone the outcome is below the code.
    if (matchMedia('(max-width: 56rem)').matches) document.querySelector('.outcome')?.scrollIntoView({ block: 'start' });
    say(now.state === 'done' ? `Done in ${ms(now.result!.duration_ms)}` : now.state === 'stopped' ? 'Stopped' : 'Failed: ' + visible(p?.detail ?? p?.title ?? ''));
  }

  const share = async () => {
    const link = location.origin + '/console/playground' + await toFragment(draft.current);
    try { await navigator.clipboard.writeText(link); setNotice('The link is on the clipboard. It holds the code and the event, and no token.'); } catch {
      history.replaceState(null, '', link);
      setNotice('The link is in the address bar. It holds the code and the event, and no token.');
    }
  };

  return <div class="desk">
    <h1 class="hidden">Playground</h1>
    <div class="bar" role="toolbar" aria-label="Run">
      {run?.state === 'running'
        ? <button type="button" class="primary stop" onClick={() => stop.current?.abort()}>Stop</button>
        : <button type="button" class="primary" disabled={!may} onClick={() => void go()} title="Ctrl+Enter" aria-keyshortcuts="Control+Enter Meta+Enter">Run <kbd>Ctrl ↵</kbd></button>}
      <label>as <select value={tenant} onChange={(e) => { setTenant(e.currentTarget.value); keepTenant(e.currentTarget.value); }}>{tenants.map((t) => <option value={t}>{t}</option>)}</select></label>
      {policies.get(tenant) && <span class="quiet policy">policy {policies.get(tenant)}</span>}
      <label><span class="hidden">Language</span><select value={language} onChange={(e) => {
        const l = e.currentTarget.value as Draft['language'];
        draft.current.language = l; setLanguage(l); code.current?.setLanguage(l as Language); keep();
      }}><option value="javascript">JavaScript</option><option value="typescript">TypeScript</option></select></label>
      <label><span class="hidden">Example</span><select value="" onChange={(e) => { const x = examples.find((x) => x.name === e.currentTarget.value); if (x) { put(x); setRun(undefined); setNotice(''); } }}>
        <option value="">Examples…</option>{examples.map((x) => <option value={x.name}>{x.title}</option>)}</select></label>
      <button type="button" onClick={() => void share()}>Share</button>
      <button type="button" disabled={!may} aria-expanded={deploying} onClick={() => setDeploying(!deploying)}>Deploy…</button>
    </div>
    <div class="above">
      {deploying && may && <Deploy key={tenant} tenant={tenant} first={draft.current.deployed?.function} settings={settings} set={set} javascript={javascript} close={() => setDeploying(false)} policies={known.data?.policies.map((p) => p.name) ?? []} />}
      {!may && <p class="notice">This token may look, but not run code: the scope <code>tenant-deploy</code> is needed.</p>}
      {notice && <p class="notice" role="status">{notice} <button type="button" class="small" onClick={() => setNotice('')}>Close</button></p>}
    </div>
    <section class="pane code" aria-label="Code"><div ref={codeHost} class="host"><p class="quiet">Loading the editor…</p></div></section>
    <section class="pane event" aria-label="Event and limits">
      <div class="tabs" role="tablist" aria-label="Event or limits">
        {(['event', 'settings'] as const).map((t) => <button type="button" role="tab" id={'tab-' + t} aria-selected={tab === t} aria-controls={'panel-' + t} tabIndex={tab === t ? 0 : -1}
          onClick={() => setTab(t)} onKeyDown={(e) => { if (e.key === 'ArrowRight' || e.key === 'ArrowLeft') { const other = t === 'event' ? 'settings' : 'event'; setTab(other); document.getElementById('tab-' + other)?.focus(); } }}>
          {t === 'event' ? 'Event' : 'Limits'}</button>)}
      </div>
      <div role="tabpanel" id="panel-event" aria-labelledby="tab-event" class="host" hidden={tab !== 'event'}><div ref={eventHost} class="host" /></div>
      <div role="tabpanel" id="panel-settings" aria-labelledby="tab-settings" class="limits" hidden={tab !== 'settings'}>
        {([['timeout', '5s'], ['memory', '5MiB'], ['cpu', 'the tier’s most']] as const).map(([k, hint]) =>
          <label>{k} <input value={settings[k] ?? ''} placeholder={hint} onInput={(e) => set(k, e.currentTarget.value)} /></label>)}
        <p class="quiet">Empty means the default. The tenant’s tier says how much is allowed.</p>
      </div>
    </section>
    <Outcome run={run} policy={settings.policy} />
  </div>;
}

function Outcome({ run, policy }: { run?: Run; policy?: string }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => { const box = end.current?.parentElement; if (box) box.scrollTop = box.scrollHeight; }, [run?.logs.length]);
  if (!run) return <section class="pane outcome" aria-label="Outcome"><Empty><p>Ctrl+Enter runs the code in a sandbox of its own. Its result, what it logs and what its policy says show up here.</p></Empty></section>;
  const problem = run.problem;
  return <section class="pane outcome" aria-label="Outcome" data-state={run.state}>
    <div class="part">
      <h2>Result {run.state === 'running' && <span class="quiet" role="status">running…</span>}{run.state === 'stopped' && <span class="quiet">stopped</span>}</h2>
      {run.shown && <Tree value={run.shown} label="Result" />}
      {problem && <><ProblemBox problem={problem} />{problem.exception && <Exception of={problem.exception} />}</>}
    </div>
    <div class="part"><h2>Console {run.logs.length > 0 && <span class="count">{run.logs.length}</span>}</h2>
      {run.logs.length ? <div class="lines" role="log" aria-label="Console" tabIndex={0}>
        {run.logs.map((l) => <div class={'line ' + l.level}><span class="time">{clock(l.time)}</span> <span class="level">{l.level}</span> <span class="message">{visible(l.message)}</span></div>)}
        <div ref={end} /></div> : <p class="quiet">{run.state === 'running' ? 'Nothing yet.' : 'It logged nothing.'}</p>}
      {!!(run.result?.dropped_logs || problem?.dropped_logs) && <p class="quiet">{run.result?.dropped_logs || problem?.dropped_logs} more lines were over the limit of one invocation.</p>}
    </div>
    <Receipt of={run.result ?? problem} />
    <div class="part"><h2>Verdicts {run.verdicts.length > 0 && <span class="count">{run.verdicts.length}</span>}</h2>
      {run.verdicts.length ? <Verdicts of={run.verdicts} policy={policy} /> : <p class="quiet">{run.state === 'running' ? 'None yet.' : 'It called no platform API that the policy had to judge.'}</p>}
      {run.lost > 0 && <p class="quiet">{run.lost} lines came too fast for this page.</p>}
    </div>
  </section>;
}

function Exception({ of: t, cause }: { of: Thrown; cause?: boolean }) {
  return <div class="exception">{cause && <span class="quiet">caused by </span>}<strong>{visible(t.message ? `${t.name}: ${t.message}` : t.name)}</strong>
    {t.stack && <pre tabIndex={0} role="group" aria-label="Stack">{visible(t.stack.trim())}</pre>}
    {t.cause && <Exception of={t.cause} cause />}
  </div>;
}

/** The rules that were tried, as the policies are now. */
function Why({ of: v, policy }: { of: Verdict; policy?: string }) {
  const [open, setOpen] = useState(false);
  return <details class="rules" onToggle={(e) => setOpen(e.currentTarget.open)}><summary>Explain</summary>{open && <Explained tenant={v.tenant} call={{ ...why(v), policy: policy || undefined }} />}</details>;
}

function why(v: Verdict) {
  const attributes = { ...v.attributes };
  if (attributes.size === -1) attributes.size = 'unknown';
  return { api: v.api, attributes };
}

export function Verdicts({ of, whose, policy }: { of: Verdict[]; whose?: boolean; policy?: string }) {
  return <ul class="verdicts">{of.slice(-500).map((v) => <li class={'verdict ' + v.action}>
    <span class="action">{visible(v.action)}</span> <code>{visible(v.api)}</code>{whose && <span> {visible(v.tenant + '/' + v.function)}</span>}
    {v.attributes && Object.keys(v.attributes).length > 0 && <span class="quiet"> {visible(Object.entries(v.attributes).map(([k, a]) => `${k} ${typeof a === 'string' ? a : JSON.stringify(a)}`).join(', '))}</span>}
    <div class="why">{visible(v.reason ?? (v.action === 'allow' || v.action === 'audit' ? `allowed by ${v.rule} of policy ${v.policy}` : `${v.rule} of policy ${v.policy}`))}
      {v.place && <span class="quiet"> ({visible(v.place)})</span>}
      {v.duration_ns ? <span class="quiet"> · {ms(v.duration_ns / 1e6)}, {number(v.sent ?? 0)} bytes sent, {number(v.received ?? 0)} received</span> : null}
      {v.error && <span class="bad"> · {visible(v.error)}</span>}</div>
    <Why of={v} policy={policy} />
  </li>)}</ul>;
}

/** What the invocation used. */
function Receipt({ of }: { of?: Result | Problem }) {
  if (!of?.invocation) return null;
  const waited = (of.queued_ms ?? 0) + (of.cold_wait_ms ?? 0);
  const facts: [string, string][] = [
    ['outcome', of.outcome ?? '–'], ['duration', ms(of.duration_ms ?? 0)], ['CPU', ms(of.cpu_ms ?? 0)], ['peak memory', of.memory_bytes ? bytes(of.memory_bytes) : '–'],
    ['start', (of.start ?? '–') + (of.cold_cause ? `, ${of.cold_cause}` : '')], ['waited', ms(waited)], ['version', of.version?.slice(0, 12) ?? '–'], ['process', String(of.pid ?? '–')],
  ];
  return <div class="part"><h2>Receipt</h2>
    <dl class="receipt" aria-label="Receipt">{facts.map(([k, v]) => <div><dt>{k}</dt><dd>{visible(v)}</dd></div>)}</dl>
    {of.calls?.length ? <Table label="Host calls" head={['Host calls', 'Count', 'Failed', 'Denied', 'Time', 'Out', 'In']}>{of.calls.map((c) => <tr><th scope="row">{visible(c.api)}</th><td>{c.count}</td><td>{c.failed}</td><td>{c.denied}</td><td>{ms(c.time_ms)}</td><td>{bytes(c.sent_bytes)}</td><td>{bytes(c.received_bytes)}</td></tr>)}</Table> : null}
  </div>;
}
