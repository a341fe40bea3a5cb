import { bytes, number, visible, when } from '../text';
import { Empty, Link, Show, Table, useLoad } from '../ui';

interface Sandbox { pid: number; state: string; tenant?: string; started: string; running: number; functions: number; instances: number; resident_bytes: number; proportional_bytes?: number; cpu_seconds: number; load: number }

export function Sandboxes() {
  const all = useLoad<{ sandboxes: Sandbox[] }>('/v1/sandboxes', 3000);
  return <>
    <h1>Sandboxes</h1>
    <Show of={all} what="the sandbox processes" empty={(d) => !d.sandboxes.length && <Empty><p>There is no sandbox process: the first invocation starts one.</p></Empty>}>
      {(d) => <Table label="Sandbox processes" head={['Process', 'State', 'Tenant', 'Running', 'Functions', 'Instances', 'Memory', 'Own share', 'CPU', 'Load', 'Started']}>
        {d.sandboxes.map((s) => <tr><th scope="row">{s.pid}</th><td><span class={'tag ' + s.state}>{s.state}</span></td><td>{s.tenant && <Link to={'/console/tenants/' + s.tenant}>{visible(s.tenant)}</Link>}</td><td>{s.running}</td><td>{s.functions}</td>
          <td>{s.instances}</td><td>{bytes(s.resident_bytes)}</td><td>{s.proportional_bytes ? bytes(s.proportional_bytes) : '–'}</td><td>{number(s.cpu_seconds)} s</td><td>{number(s.load * 100)} %</td><td>{when(s.started)}</td></tr>)}
      </Table>}
    </Show>
  </>;
}
