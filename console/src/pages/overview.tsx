import { useEffect, useState } from 'preact/hooks';
import { Chart } from '../charts';
import { bytes, ms, number, visible } from '../text';
import { Empty, Link, Show, Table, useLoad } from '../ui';

interface Activity {
  tenant?: string; rate: number; error_rate: number; p50_ms: number; p99_ms: number; invocations: number; errors: number; cold_starts: number; kills: number;
  cpu_seconds: number; processes: number; running: number; resident_bytes: number; load: number;
}
interface Stats { time: string; all: Activity; waiting: number; tenants: Activity[]; more: number; sandboxes: { processes: number; spare: number; assigned: number; idle: number; max: number } }

const samples = 120, every = 2000;
// What was seen is kept while the page is open, whichever section shows.
const seen: Stats[] = [];

export function Overview() {
  const stats = useLoad<Stats>('/v1/stats?sort=rate&limit=50', every);
  const ready = useLoad<{ status: string; degraded?: { layer: string; mode: string; reason: string }[] }>('/readyz', 10_000);
  const [, redraw] = useState(0);
  useEffect(() => {
    if (!stats.data || seen[seen.length - 1]?.time === stats.data.time) return;
    seen.push(stats.data);
    if (seen.length > samples) seen.shift();
    redraw((n) => n + 1);
  }, [stats.data]);
  const of = (f: (s: Stats) => number) => seen.map(f);
  // Cold starts are counted since the start: what is shown is a rate.
  const cold = seen.map((s, i) => i === 0 ? 0 : Math.max(0, s.all.cold_starts - seen[i - 1].all.cold_starts) / Math.max((Date.parse(s.time) - Date.parse(seen[i - 1].time)) / 1000, 0.1));
  return <>
    <h1>Overview</h1>
    {ready.data?.degraded?.length ? <div class="notice"><strong>The lock-down is degraded.</strong> {ready.data.degraded.map((l) => <div>{visible(`${l.layer} (${l.mode}): ${l.reason}`)}</div>)}</div> : null}
    {ready.problem && <div class="notice bad">The supervisor takes no invocations: {visible(ready.problem.detail ?? ready.problem.title)}</div>}
    <Show of={stats} what="what tenants do">{(s) => <>
      <div class="charts">
        <Chart samples={samples} title="Invocations a second" series={[{ name: 'all', values: of((s) => s.all.rate), class: 'a' }, { name: 'failed', values: of((s) => s.all.error_rate), class: 'b' }]} />
        <Chart samples={samples} title="Latency" format={ms} series={[{ name: 'p50', values: of((s) => s.all.p50_ms), class: 'a' }, { name: 'p99', values: of((s) => s.all.p99_ms), class: 'c' }]} />
        <Chart samples={samples} title="Memory" format={bytes} series={[{ name: 'resident', values: of((s) => s.all.resident_bytes), class: 'a' }]} />
        <Chart samples={samples} title="Cold starts a second" series={[{ name: 'cold', values: cold, class: 'c' }]} />
        <Chart samples={samples} title="Processors in use" series={[{ name: 'load', values: of((s) => s.all.load), class: 'a' }]} />
        <Chart samples={samples} title="Sandbox processes" series={[{ name: 'all', values: of((s) => s.sandboxes.processes), class: 'a' }, { name: 'at work', values: of((s) => s.sandboxes.assigned), class: 'c' }]} />
      </div>
      <h2>Tenants</h2>
      {s.tenants.length ? <Table label="Tenants" head={['Tenant', 'Rate', 'Failed', 'p50', 'p99', 'Running', 'Memory', 'CPU', 'Cold starts', 'Kills']}>
        {s.tenants.map((t) => <tr><th scope="row"><Link to={'/console/tenants/' + t.tenant}>{t.tenant}</Link></th><td>{number(t.rate)}/s</td><td class={t.error_rate > 0 ? 'bad' : ''}>{number(t.error_rate)}/s</td>
          <td>{ms(t.p50_ms)}</td><td>{ms(t.p99_ms)}</td><td>{t.running}</td><td>{bytes(t.resident_bytes)}</td><td>{number(t.load * 100)} %</td><td>{t.cold_starts}</td><td>{t.kills}</td></tr>)}
      </Table> : <Empty><p>No tenant was active lately.</p></Empty>}
      {s.more > 0 && <p class="quiet">{s.more} more tenants are not shown.</p>}
    </>}</Show>
  </>;
}
