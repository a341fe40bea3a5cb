import { useState } from 'preact/hooks';
import { change, type Problem } from '../api';
import { visible, when } from '../text';
import { Confirm, Empty, ProblemBox, Show, Table, toProblem, useLoad } from '../ui';

interface Token { name: string; id: string; scopes: string[]; tenant?: string; created: string; expires?: string; used?: string; rate?: string; configured?: boolean }
const scopes = ['tenant-invoke', 'tenant-deploy', 'metrics', 'admin'];

export function Tokens() {
  const all = useLoad<{ tokens: Token[] }>('/v1/tokens');
  const [made, setMade] = useState<{ name: string; token: string }>();
  const [problem, setProblem] = useState<Problem>();
  return <>
    <h1>Tokens</h1>
    {problem && <ProblemBox problem={problem} />}
    {made && <div class="notice"><p>The token <strong>{visible(made.name)}</strong> is shown only now:</p><p><code class="secret">{made.token}</code></p>
      <button type="button" onClick={() => void navigator.clipboard.writeText(made.token)}>Copy</button> <button type="button" onClick={() => setMade(undefined)}>Done</button></div>}
    <Show of={all} what="the tokens" empty={(d) => !d.tokens.length && <Empty><p>There is no token. Until the first is made, this machine needs none; from then on everybody does, this page included.</p></Empty>}>
      {(d) => <Table label="Tokens" head={['Name', 'Scopes', 'Tenant', 'Created', 'Expires', 'Last used', '']}>
        {d.tokens.map((t) => <tr><th scope="row">{visible(t.name)}</th><td>{t.scopes.join(', ')}</td><td>{visible(t.tenant ?? '')}</td><td>{when(t.created)}</td><td>{t.expires ? when(t.expires) : 'never'}</td><td>{t.used ? when(t.used) : 'never'}</td>
          <td>{t.configured ? <span class="quiet">configured</span> : <Confirm label="Revoke" ask={`Revoke ${t.name}, at once?`} danger act={async () => {
            try { await change('DELETE', '/v1/tokens/' + encodeURIComponent(t.name)); setProblem(undefined); } catch (e) { setProblem(toProblem(e)); }
            all.reload();
          }} />}</td></tr>)}
      </Table>}
    </Show>
    <h2>Create a token</h2>
    <Create done={(t) => { setMade(t); all.reload(); }} />
  </>;
}

function Create({ done }: { done: (t: { name: string; token: string }) => void }) {
  const [name, setName] = useState(''), [tenant, setTenant] = useState(''), [days, setDays] = useState('90');
  const [chosen, setChosen] = useState<string[]>(['tenant-invoke']);
  const [problem, setProblem] = useState<Problem>();
  return <form class="row" onSubmit={async (e) => {
    e.preventDefault();
    const body: Record<string, unknown> = { name, scopes: chosen };
    if (chosen.some((s) => s.startsWith('tenant-'))) body.tenant = tenant;
    if (days) body.expires = new Date(Date.now() + +days * 86_400_000).toISOString();
    try {
      const made = await change<{ name: string; token: string }>('POST', '/v1/tokens', body);
      setProblem(undefined); setName('');
      if (made) done(made);
    } catch (x) { setProblem(toProblem(x)); }
  }}>
    <label>Name <input value={name} required onInput={(e) => setName(e.currentTarget.value)} /></label>
    <fieldset><legend>Scopes</legend>{scopes.map((s) => <label class="check"><input type="checkbox" checked={chosen.includes(s)} onChange={(e) => setChosen(e.currentTarget.checked ? [...chosen, s] : chosen.filter((x) => x !== s))} /> {s}</label>)}</fieldset>
    {chosen.some((s) => s.startsWith('tenant-')) && <label>Tenant <input value={tenant} required onInput={(e) => setTenant(e.currentTarget.value)} /></label>}
    <label>Days <input value={days} type="number" min="1" placeholder="for ever" onInput={(e) => setDays(e.currentTarget.value)} /></label>
    <button type="submit" class="primary" disabled={!chosen.length}>Create</button>
    {problem && <ProblemBox problem={problem} />}
  </form>;
}
