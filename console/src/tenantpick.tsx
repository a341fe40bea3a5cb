import { useState } from 'preact/hooks';
import { change, tenantPath, type Self } from './api';
import { ProblemBox, toProblem, useLoad, type Loaded } from './ui';
import type { Problem } from './api';

export interface Tenant { name: string; policy: string; tier: string; created: string; updated: string }

/** The tenants that the caller can see: all, or the one of its token. */
export function useTenants(self: Self): Loaded<{ tenants: Tenant[] }> {
  const all = useLoad<{ tenants: Tenant[] }>(self.admin ? '/v1/tenants' : '');
  if (self.admin) return all;
  return { data: { tenants: self.tenant ? [{ name: self.tenant, policy: '', tier: '', created: '', updated: '' }] : [] }, reload: () => {} };
}

export function CreateTenant({ done }: { done: (name: string) => void }) {
  const [name, setName] = useState('');
  const [policy, setPolicy] = useState('compute');
  const [problem, setProblem] = useState<Problem>();
  const policies = useLoad<{ policies: { name: string; description: string }[] }>('/v1/policies');
  return <form class="row" onSubmit={async (e) => {
    e.preventDefault();
    try { await change('PUT', tenantPath(name), { policy }); setProblem(undefined); setName(''); done(name); } catch (x) { setProblem(toProblem(x)); }
  }}>
    <label>Tenant <input value={name} required pattern="[a-z0-9][a-z0-9\-]{0,62}" title="Lower-case letters, digits and dashes; at most 63" placeholder="acme" onInput={(e) => setName(e.currentTarget.value)} /></label>
    <label>Policy <select value={policy} onChange={(e) => setPolicy(e.currentTarget.value)}>{(policies.data?.policies ?? [{ name: 'compute' }]).map((p) => <option value={p.name}>{p.name}</option>)}</select></label>
    <button type="submit" class="primary">Create</button>
    {problem && <ProblemBox problem={problem} />}
  </form>;
}
