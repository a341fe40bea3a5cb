import { useEffect, useState } from 'preact/hooks';
import { lines, type Problem, type Self } from '../api';
import { Verdicts, type Verdict } from '../playground';
import { useTenants } from '../tenantpick';
import { Empty, ProblemBox, toProblem } from '../ui';

/** What functions ask for from now on, and what their policies say. */
export function Audit({ self }: { self: Self }) {
  const tenants = useTenants(self);
  const [tenant, setTenant] = useState(self.admin ? '' : self.tenant ?? '');
  const [action, setAction] = useState('');
  const [seen, setSeen] = useState<Verdict[]>([]);
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => {
    const ended = new AbortController(), all: Verdict[] = [];
    let timer = 0;
    setSeen([]); setProblem(undefined);
    const q = new URLSearchParams();
    if (tenant) q.set('tenant', tenant);
    if (action) q.set('action', action);
    lines<Verdict>('GET', '/v1/audit?' + q, undefined, ended.signal, (v) => {
      if (!v.api) return;
      all.push(v);
      if (all.length > 500) all.shift();
      timer ||= setTimeout(() => { timer = 0; setSeen([...all]); }, 100);
    }).catch((e) => { if (!ended.signal.aborted) setProblem(toProblem(e)); });
    return () => { ended.abort(); clearTimeout(timer); };
  }, [tenant, action]);
  return <>
    <h1>Audit</h1>
    <form class="row" onSubmit={(e) => e.preventDefault()}>
      <label>Tenant <select value={tenant} onChange={(e) => setTenant(e.currentTarget.value)}>{self.admin && <option value="">all</option>}{tenants.data?.tenants.map((t) => <option value={t.name}>{t.name}</option>)}</select></label>
      <label>Decision <select value={action} onChange={(e) => setAction(e.currentTarget.value)}><option value="">all</option>{['allow', 'deny', 'audit', 'kill', 'quota'].map((a) => <option>{a}</option>)}</select></label>
    </form>
    {problem && <ProblemBox problem={problem} />}
    {seen.length ? <Verdicts of={seen} whose /> : !problem && <Empty><p>Host calls show up here as functions make them, with what their policy said and why.</p></Empty>}
  </>;
}
