import { useState } from 'preact/hooks';
import type { Self } from '../api';
import { Explained, type Asked } from '../explain';
import { lastTenant } from '../draft';
import { useTenants } from '../tenantpick';
import { visible } from '../text';
import { Show, Table, useLoad } from '../ui';

interface All { policies: { name: string; description?: string }[] }
const apis = ['fetch', 'kv.get', 'kv.getWithVersion', 'kv.put', 'kv.delete', 'kv.list', 'db.query', 'db.exec', 'storage.get', 'storage.put', 'storage.head', 'storage.delete', 'storage.list', 'queue.send', 'secrets.get', 'env.get', 'env.all', 'invoke', 'log'];

export function Policies({ self }: { self: Self }) {
  const all = useLoad<All>('/v1/policies');
  return <>
    <h1>Policies</h1>
    <p class="quiet">What tenants and functions may name.</p>
    <Show of={all} what="the policies">{(d) => <><Table label="Policies" head={['Name', 'What it is for']}>{d.policies.map((p) => <tr><th scope="row">{visible(p.name)}</th><td class="wrap">{visible(p.description ?? '')}</td></tr>)}</Table>
      <Ask self={self} all={d} /></>}</Show>
  </>;
}

function Ask({ self, all }: { self: Self; all: All }) {
  const tenants = useTenants(self);
  const [tenant, setTenant] = useState(lastTenant());
  const [form, setForm] = useState({ api: 'fetch', policy: '', text: 'url=https://example.com/\nmethod=GET' });
  const [asked, setAsked] = useState<{ tenant: string; call: Asked }>();
  const names = tenants.data?.tenants.map((t) => t.name) ?? [];
  if (!names.length) return null;
  const of = names.includes(tenant) ? tenant : names[0];
  return <section class="part" aria-labelledby="explain">
    <h2 id="explain">Explain a call</h2>
    <p class="quiet">Nothing is called: this says what would be decided, by which rule, and why those before it did not hold.</p>
    <form class="row" onSubmit={(e) => {
      e.preventDefault();
      const attributes: Record<string, string[]> = {};
      for (const line of form.text.split('\n')) {
        const [, name, value] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
        if (name) (attributes[name] ??= []).push(value);
      }
      setAsked({ tenant: of, call: { api: form.api.trim(), policy: form.policy || undefined, attributes } });
    }}>
      <label>Tenant <select value={of} onChange={(e) => setTenant(e.currentTarget.value)}>{names.map((n) => <option value={n}>{n}</option>)}</select></label>
      <label>Function’s policy <select value={form.policy} onChange={(e) => setForm({ ...form, policy: e.currentTarget.value })}><option value="">none of its own</option>{all.policies.map((p) => <option value={p.name}>{visible(p.name)}</option>)}</select></label>
      <label>API <input value={form.api} required list="apis" onInput={(e) => setForm({ ...form, api: e.currentTarget.value })} /></label>
      <datalist id="apis">{apis.map((a) => <option value={a} />)}</datalist>
      <label class="block">What the rules look at: one NAME=VALUE a line (url, host, port, method, path, key, size, statement, tables, name)
        <textarea rows={3} spellcheck={false} value={form.text} onInput={(e) => setForm({ ...form, text: e.currentTarget.value })} /></label>
      <button type="submit" class="primary">Explain</button>
    </form>
    {asked && <Explained tenant={asked.tenant} call={asked.call} />}
  </section>;
}
