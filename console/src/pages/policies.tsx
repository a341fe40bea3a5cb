import { visible } from '../text';
import { Show, Table, useLoad } from '../ui';

export function Policies() {
  const all = useLoad<{ policies: { name: string; description?: string; [k: string]: unknown }[] }>('/v1/policies');
  return <>
    <h1>Policies</h1>
    <p class="quiet">What tenants and functions may name. <code>supervisor policy explain</code> says what one of them does with a call.</p>
    <Show of={all} what="the policies">{(d) => <Table label="Policies" head={['Name', 'What it is for']}>{d.policies.map((p) => <tr><th scope="row">{visible(p.name)}</th><td class="wrap">{visible(p.description ?? '')}</td></tr>)}</Table>}</Show>
  </>;
}
