import { useState } from 'preact/hooks';
import { change, functionPath, tenantPath, type Problem } from './api';
import type { Func } from './pages/tenants';
import { Link, ProblemBox, toProblem, useLoad } from './ui';

interface Made { version: string }

/** Makes a version of what is in the editor, with its settings. */
export function Deploy({ tenant, settings, set, first, javascript, close, policies }: {
  tenant: string; settings: Record<string, string>; set: (name: string, value: string) => void; first?: string; javascript: () => Promise<string | undefined>; close: () => void; policies: string[];
}) {
  const [name, setName] = useState(first ?? '');
  const [live, setLive] = useState(true), [alias, setAlias] = useState('');
  const [said, setSaid] = useState<Made | string>('');
  const [problem, setProblem] = useState<Problem>();
  const functions = useLoad<{ functions: Func[] }>(tenantPath(tenant) + '/functions');
  const field = (k: string, hint: string) => <label>{k} <input value={settings[k] ?? ''} placeholder={hint} size={9} onInput={(e) => set(k, e.currentTarget.value)} /></label>;
  const select = (k: string, choices: [value: string, text: string][]) => <label>{k} <select value={settings[k] ?? ''} onChange={(e) => set(k, e.currentTarget.value)}>{choices.map(([v, t]) => <option value={v}>{t}</option>)}</select></label>;
  const submit = async () => {
    setProblem(undefined); setSaid('Deploying…');
    try {
      const source = await javascript();
      if (source === undefined) { setSaid('It cannot be read: see the outcome.'); return; }
      const body: Record<string, unknown> = { code: source, live };
      for (const [k, v] of Object.entries(settings)) if (v.trim()) body[k] = k === 'concurrency' ? +v : k === 'public' ? v === 'true' : v.trim();
      if (alias.trim()) body.alias = alias.trim();
      const made = await change<Made>('PUT', functionPath(tenant, name), body);
      setSaid(made ?? '');
      functions.reload();
    } catch (e) { setSaid(''); setProblem(toProblem(e)); }
  };
  return <form class="deploy" aria-label="Deploy" onKeyDown={(e) => { if (e.key === 'Escape') close(); }} onSubmit={(e) => { e.preventDefault(); void submit(); }}>
    <label>function <input value={name} required pattern="[a-z0-9][a-z0-9\-]{0,62}" title="Lower-case letters, digits and dashes; at most 63" list="known-functions" aria-label="Name of the function" ref={(i) => { if (i && !name) i.focus(); }} onInput={(e) => setName(e.currentTarget.value)} /></label>
    <datalist id="known-functions">{functions.data?.functions.map((f) => <option value={f.function} />)}</datalist>
    {field('memory', '5MiB')}{field('timeout', '5s')}{field('cpu', 'the tier’s')}{field('concurrency', '4')}
    {select('isolation', [['', 'fresh'], ['warm', 'warm']])}
    {select('policy', [['', 'the tenant’s'], ...policies.map((p): [string, string] => [p, p])])}
    {select('public', [['', 'no: with a token'], ['true', 'yes: by anybody']])}
    <label>alias <input value={alias} placeholder="none" size={9} pattern="[a-z0-9][a-z0-9\-]{0,62}" onInput={(e) => setAlias(e.currentTarget.value)} /></label>
    <label class="check"><input type="checkbox" checked={live} onChange={(e) => setLive(e.currentTarget.checked)} /> make it live</label>
    <span class="buttons"><button type="submit" class="primary">Deploy</button><button type="button" onClick={close}>Close</button></span>
    {said && <p role="status">{typeof said === 'string' ? said : <>Deployed <Link to={`/console/tenants/${tenant}/functions/${name}`}>{tenant}/{name}</Link>, version {said.version.slice(0, 12)}{live ? '' : ', not live'}.</>}</p>}
    {problem && <ProblemBox problem={problem} />}
  </form>;
}
