import { useEffect, useRef, useState } from 'preact/hooks';
import { change, functionPath, type Problem, type Self } from '../api';
import type { Editor } from '../editor';
import { bytes, ms, visible, when } from '../text';
import { Link, ProblemBox, Show, toProblem, useLoad } from '../ui';
import { LogView } from './logs';
import { Variables } from './settings';
import type { Func } from './tenants';
import { short, VersionsPart, type Versions } from './versions';

export function FunctionPage({ tenant, name, self }: { tenant: string; name: string; self: Self }) {
  const path = functionPath(tenant, name);
  const about = useLoad<Func>(path);
  const versions = useLoad<Versions>(path + '/versions');
  const changed = () => { about.reload(); versions.reload(); };
  return <>
    <p class="crumbs"><Link to="/console/tenants">Tenants</Link> / <Link to={'/console/tenants/' + tenant}>{visible(tenant)}</Link> / </p>
    <h1>{visible(name)}</h1>
    <Show of={about} what="the function">{(f) => <dl class="receipt">
      {([['version', short(f.version) || 'none live'], ['form', f.shape ?? '–'], ['memory', bytes(f.memory)], ['timeout', f.timeout], ['CPU', f.cpu ?? 'no limit'], ['at once', String(f.concurrency)], ['isolation', f.isolation], ['policy', f.policy || 'the tenant’s'], ['over HTTP', f.public ? 'by anybody' : 'with a token'], ['size', bytes(f.size)], ['deployed', when(f.deployed)]] as const)
        .map(([k, v]) => <div><dt>{k}</dt><dd>{visible(v)}</dd></div>)}</dl>}</Show>
    {about.problem?.status !== 404 && <>
      <Invoke tenant={tenant} name={name} may={self.admin || self.scopes.includes('tenant-invoke')} />
      <VersionsPart path={path} live={about.data?.version ?? ''} versions={versions} changed={changed} />
      {self.settings && <Variables path={path + '/env'} what="this function alone; it has the tenant’s" changed={changed} />}
      <h2>Log</h2>
      <LogView query={{ tenant, function: name, level: 'debug', grep: '' }} />
    </>}
  </>;
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
