import { useState } from 'preact/hooks';
import { change, functionPath, tenantPath, type Problem, type Self } from '../api';
import { CreateTenant, useTenants, type Tenant } from '../tenantpick';
import { bytes, visible, when } from '../text';
import { Secrets, Variables } from './settings';
import { Confirm, Empty, Link, navigate, ProblemBox, Show, Table, toProblem, useLoad } from '../ui';

export interface Func { tenant: string; function: string; version: string; shape?: string; memory: number; timeout: string; cpu?: string; concurrency: number; isolation: string; policy?: string; public?: boolean; size: number; deployed: string }

export function Tenants({ self }: { self: Self }) {
  const tenants = useTenants(self);
  return <>
    <h1>Tenants</h1>
    <Show of={tenants} what="the tenants" empty={(d) => !d.tenants.length && <Empty><p>There is no tenant{self.admin ? ' yet' : ' that this token is for'}.</p></Empty>}>
      {(d) => <Table label="Tenants" head={['Name', 'Policy', 'Tier', 'Created']}>
        {d.tenants.map((t) => <tr><th scope="row"><Link to={'/console/tenants/' + t.name}>{t.name}</Link></th><td>{visible(t.policy)}</td><td>{visible(t.tier)}</td><td>{t.created && when(t.created)}</td></tr>)}
      </Table>}
    </Show>
    {self.admin && <><h2>Create a tenant</h2><CreateTenant done={tenants.reload} /></>}
  </>;
}

export function TenantPage({ tenant, self }: { tenant: string; self: Self }) {
  const about = useLoad<Tenant>(tenantPath(tenant));
  const functions = useLoad<{ functions: Func[] }>(tenantPath(tenant) + '/functions');
  const [problem, setProblem] = useState<Problem>();
  const remove = (path: string, done: () => void) => async () => { try { await change('DELETE', path); setProblem(undefined); done(); } catch (e) { setProblem(toProblem(e)); } };
  const base = '/console/tenants/' + tenant;
  return <>
    <p class="crumbs"><Link to="/console/tenants">Tenants</Link> / </p>
    <h1>{visible(tenant)}</h1>
    {problem && <ProblemBox problem={problem} />}
    <Show of={about} what="the tenant">{(t) => <dl class="receipt"><div><dt>policy</dt><dd>{visible(t.policy)}</dd></div><div><dt>tier</dt><dd>{visible(t.tier)}</dd></div><div><dt>created</dt><dd>{when(t.created)}</dd></div></dl>}</Show>
    {self.admin && about.data && <Change tenant={about.data} done={about.reload} />}
    <h2>Functions</h2>
    <Show of={functions} what="the functions" empty={(d) => !d.functions.length && <Empty><p>No function is deployed. The <Link to="/console/playground">playground</Link> deploys one; so does <code>supervisor deploy</code>.</p></Empty>}>
      {(d) => <Table label="Functions" head={['Function', 'Version', 'Memory', 'Timeout', 'At once', 'Isolation', 'Policy', 'Size', 'Deployed', '']}>
        {d.functions.map((f) => <tr><th scope="row"><Link to={`${base}/functions/${f.function}`}>{f.function}</Link></th><td><code>{visible(f.version.slice(0, 12) || 'none live')}</code></td><td>{bytes(f.memory)}</td><td>{f.timeout}</td><td>{f.concurrency}</td>
          <td>{f.isolation}</td><td>{visible(f.policy ?? '')}</td><td>{bytes(f.size)}</td><td>{when(f.deployed)}</td>
          <td><Confirm label="Delete" ask={`Delete ${f.function} for good?`} danger act={remove(functionPath(tenant, f.function), functions.reload)} /></td></tr>)}
      </Table>}
    </Show>
    {self.settings && <><Secrets tenant={tenant} /><Variables path={tenantPath(tenant) + '/env'} what="the tenant’s functions" changed={functions.reload} /></>}
    {self.admin && <><h2>Delete</h2><Confirm label="Delete this tenant" ask={`Delete ${tenant} with all its functions and data?`} danger act={remove(tenantPath(tenant), () => navigate('/console/tenants'))} /></>}
  </>;
}

/** What a tenant is held to. */
function Change({ tenant: t, done }: { tenant: Tenant; done: () => void }) {
  const policies = useLoad<{ policies: { name: string }[] }>('/v1/policies');
  const [form, setForm] = useState<{ policy: string; tier: string }>();
  const [problem, setProblem] = useState<Problem>();
  if (!form) return <p><button type="button" onClick={() => setForm({ policy: t.policy, tier: t.tier })}>Change policy or tier</button></p>;
  return <form class="row" aria-label="Policy and tier" onSubmit={async (e) => {
    e.preventDefault();
    try { await change('PUT', tenantPath(t.name), form); setForm(undefined); setProblem(undefined); done(); } catch (x) { setProblem(toProblem(x)); }
  }}>
    <label>Policy <select value={form.policy} onChange={(e) => setForm({ ...form, policy: e.currentTarget.value })}>{(policies.data?.policies ?? [{ name: t.policy }]).map((p) => <option value={p.name}>{visible(p.name)}</option>)}</select></label>
    <label>Tier <input value={form.tier} required onInput={(e) => setForm({ ...form, tier: e.currentTarget.value })} /></label>
    <button type="submit" class="primary">Save</button><button type="button" onClick={() => { setForm(undefined); setProblem(undefined); }}>Cancel</button>
    {problem && <ProblemBox problem={problem} />}
  </form>;
}
