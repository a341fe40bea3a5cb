// A tenant's secrets, and the variables of a tenant or of a function.

import { useState } from 'preact/hooks';
import { change, tenantPath, type Problem } from '../api';
import { visible, when } from '../text';
import { Confirm, ProblemBox, say, Show, Table, toProblem, useLoad } from '../ui';

interface Secret { name: string; hosts: string[]; reveal: boolean; updated: string }
const none = { name: '', value: '', hosts: '', reveal: false };

/** Secrets: they can be set, and never seen. */
export function Secrets({ tenant }: { tenant: string }) {
  const path = tenantPath(tenant) + '/secrets';
  const all = useLoad<{ secrets: Secret[] }>(path);
  const [form, setForm] = useState(none);
  const [problem, setProblem] = useState<Problem>();
  const act = async (f: () => Promise<unknown>, done: string) => {
    try { await f(); setProblem(undefined); say(done); all.reload(); return true; } catch (e) { setProblem(toProblem(e)); return false; }
  };
  return <section>
    <h2>Secrets</h2>
    <Show of={all} what="the secrets" empty={(d) => !d.secrets.length && <p class="quiet">None. A function gets a placeholder, which fetch replaces on the way to the hosts that the secret names.</p>}>
      {(d) => <Table label="Secrets" head={['Name', 'Hosts', 'Revealed', 'Updated', '']}>{d.secrets.map((s) => <tr><th scope="row">{visible(s.name)}</th><td class="wrap">{visible(s.hosts.join(', '))}</td><td>{s.reveal ? 'yes' : 'no'}</td><td>{when(s.updated)}</td>
        <td class="actions"><button type="button" onClick={() => { setForm({ name: s.name, value: '', hosts: s.hosts.join(', '), reveal: s.reveal }); document.getElementById('secret-value')?.focus(); }}>Set anew</button>
          <Confirm label="Delete" ask={`Delete ${s.name}?`} danger act={() => act(() => change('DELETE', `${path}/${encodeURIComponent(s.name)}`), 'Deleted')} /></td></tr>)}</Table>}
    </Show>
    <form class="row" aria-label="Set a secret" autocomplete="off" onSubmit={async (e) => {
      e.preventDefault();
      const done = await act(() => change('PUT', `${path}/${encodeURIComponent(form.name.trim())}`, { value: form.value, hosts: form.hosts.split(/[\s,]+/).filter(Boolean), reveal: form.reveal }), `${form.name} is set`);
      if (done) setForm(none);
    }}>
      <label>Name <input value={form.name} required placeholder="API_KEY" autocomplete="off" spellcheck={false} onInput={(e) => setForm({ ...form, name: e.currentTarget.value })} /></label>
      <label>Value <input id="secret-value" type="password" value={form.value} required autocomplete="new-password" onInput={(e) => setForm({ ...form, value: e.currentTarget.value })} /></label>
      <label>Hosts <input value={form.hosts} placeholder="api.example.com" autocomplete="off" spellcheck={false} onInput={(e) => setForm({ ...form, hosts: e.currentTarget.value })} /></label>
      <label class="check"><input type="checkbox" checked={form.reveal} onChange={(e) => setForm({ ...form, reveal: e.currentTarget.checked })} /> functions get the value itself</label>
      <button type="submit" class="primary">Set the secret</button>
    </form>
    {problem && <ProblemBox problem={problem} />}
  </section>;
}

/** Variables, which are replaced as a whole; functions that are live get them at once. */
export function Variables({ path, what, changed }: { path: string; what: string; changed?: () => void }) {
  const env = useLoad<{ env: Record<string, string> }>(path);
  const [edited, setEdited] = useState<[name: string, value: string][]>();
  const [problem, setProblem] = useState<Problem>();
  const [said, setSaid] = useState('');
  const save = async (rows: [string, string][]) => {
    try {
      const applied = await change<{ functions: unknown[] | null }>('PUT', path, { env: Object.fromEntries(rows.filter(([n]) => n.trim()).map(([n, v]) => [n.trim(), v])) });
      const n = applied?.functions?.length ?? 0;
      setProblem(undefined); setEdited(undefined); setSaid(n ? `Saved; ${n === 1 ? 'one function has' : n + ' functions have'} a new version.` : 'Saved.');
      env.reload(); changed?.();
    } catch (e) { setProblem(toProblem(e)); }
  };
  return <section>
    <h2>Variables</h2>
    <Show of={env} what="the variables">{(d) => {
      const rows = edited ?? Object.entries(d.env).sort(([a], [b]) => a < b ? -1 : 1);
      const put = (i: number, row?: [string, string]) => setEdited(row ? rows.toSpliced(i, 1, row) : rows.toSpliced(i, 1));
      const names = rows.map(([n]) => n.trim()).filter(Boolean), twice = names.find((n, i) => names.indexOf(n) !== i);
      return <form onSubmit={(e) => { e.preventDefault(); if (!twice) void save(rows); }}>
        {rows.length ? <Table label="Variables" head={['Name', 'Value', '']}>{rows.map(([n, v], i) => <tr>
          <td><input value={n} aria-label={`Name of variable ${i + 1}`} spellcheck={false} onInput={(e) => put(i, [e.currentTarget.value, v])} /></td>
          <td class="stretch"><input value={v} aria-label={`Value of ${n || 'variable ' + (i + 1)}`} spellcheck={false} onInput={(e) => put(i, [n, e.currentTarget.value])} /></td>
          <td><button type="button" onClick={() => put(i)}>Remove</button></td></tr>)}</Table> : <p class="quiet">None for {what}.</p>}
        <div class="row"><button type="button" onClick={() => setEdited([...rows, ['', '']])}>Add a variable</button>
          {edited && <><button type="submit" class="primary" disabled={!!twice}>Save</button><button type="button" onClick={() => { setEdited(undefined); setProblem(undefined); }}>Undo</button></>}
          {twice && <span class="bad" role="alert">{visible(twice)} is there twice.</span>}
          {said && !edited && <span class="quiet" role="status">{said}</span>}</div>
      </form>;
    }}</Show>
    {problem && <ProblemBox problem={problem} />}
  </section>;
}
