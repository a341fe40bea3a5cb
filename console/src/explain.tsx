import { useEffect, useState } from 'preact/hooks';
import { change, tenantPath, type Problem } from './api';
import { visible } from './text';
import { ProblemBox, toProblem } from './ui';

interface Condition { name: string; held: boolean; wanted: string; seen: string; note?: string }
interface Considered { policy: string; rule: string; place: string; action: string; comment?: string; decides: boolean; conditions?: Condition[] }
interface Explanation { api: string; action: string; allowed: boolean; policy: string; rule: string; place: string; reason: string; considered: Considered[] }

export interface Asked { api: string; policy?: string; attributes: Record<string, unknown> }

/** Which rule decides about a call, and what kept those before it from doing so. */
export function Explained({ tenant, call }: { tenant: string; call: Asked }) {
  const [state, set] = useState<{ e?: Explanation; problem?: Problem }>({});
  const key = JSON.stringify(call);
  useEffect(() => {
    let gone = false;
    set({});
    change<Explanation>('POST', tenantPath(tenant) + '/explain', call).then((e) => { if (!gone) set({ e }); }, (x) => { if (!gone) set({ problem: toProblem(x) }); });
    return () => { gone = true; };
  }, [tenant, key]);
  if (state.problem) return <ProblemBox problem={state.problem} />;
  const e = state.e;
  if (!e) return <p class="quiet" role="status">Asking the policy…</p>;
  const decided = e.considered.length - 1;
  return <div class="explained" role="group" aria-label={'Why ' + e.api + ' is decided so'}>
    <p><span class={'verdict-word ' + e.action}>{visible(e.action)}</span> <code>{visible(e.api)}</code>, by {visible(e.rule)} of policy {visible(e.policy)}{e.place && <span class="quiet"> ({visible(e.place)})</span>}</p>
    {e.reason && <p class="why">{visible(e.reason)}</p>}
    {e.considered.length > 0 && <ol>{e.considered.map((c, i) => <li class={i === decided ? 'decides' : ''}>
      <span>{visible(c.rule)} of {visible(c.policy)}: {visible(c.action)}</span>{c.place && <span class="quiet"> {visible(c.place)}</span>}
      {c.decides ? <strong> · it decides</strong> : <span class="quiet"> · it does not hold</span>}
      {c.comment && <div class="quiet">{visible(c.comment)}</div>}
      {c.conditions?.length ? <ul>{c.conditions.map((x) => <li class={x.held ? 'held' : 'failed'}><span aria-hidden="true">{x.held ? '✓' : '✗'}</span><span class="hidden">{x.held ? 'holds: ' : 'fails: '}</span> <code>{visible(x.name)}</code> wants {visible(x.wanted)}, sees {x.seen ? visible(x.seen) : 'none'}{x.note && <span class="quiet"> – {visible(x.note)}</span>}</li>)}</ul> : null}
    </li>)}</ol>}
  </div>;
}
