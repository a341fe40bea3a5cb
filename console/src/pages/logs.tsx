import { useEffect, useRef, useState } from 'preact/hooks';
import { lines, type Problem, type Self } from '../api';
import { useTenants } from '../tenantpick';
import { clock, visible } from '../text';
import { Empty, ProblemBox, toProblem } from '../ui';

interface Line { time: string; tenant: string; function: string; invocation: string; version?: string; level: string; message: string; outcome?: string; lost?: number }
interface Query { tenant: string; function: string; level: string; grep: string }
const most = 1000;

export function Logs({ self }: { self: Self }) {
  const tenants = useTenants(self);
  const [query, setQuery] = useState<Query>({ tenant: self.admin ? '' : self.tenant ?? '', function: '', level: 'debug', grep: '' });
  const [typed, setTyped] = useState(query);
  useEffect(() => { const t = setTimeout(() => setQuery(typed), 350); return () => clearTimeout(t); }, [typed]);
  const set = (k: keyof Query) => (e: { currentTarget: { value: string } }) => { const value = e.currentTarget.value; setTyped((was) => ({ ...was, [k]: value, ...(k === 'tenant' && !value ? { function: '' } : {}) })); };
  return <>
    <h1>Logs</h1>
    <form class="row" role="search" onSubmit={(e) => e.preventDefault()}>
      <label>Tenant <select value={typed.tenant} onChange={set('tenant')}>{self.admin && <option value="">all</option>}{tenants.data?.tenants.map((t) => <option value={t.name}>{t.name}</option>)}</select></label>
      <label>Function <input value={typed.function} disabled={!typed.tenant} placeholder="all" onInput={set('function')} /></label>
      <label>Level <select value={typed.level} onChange={set('level')}>{['debug', 'info', 'warn', 'error'].map((l) => <option>{l}</option>)}</select></label>
      <label>Matching <input value={typed.grep} placeholder="regular expression" onInput={set('grep')} /></label>
    </form>
    <LogView query={query} whose />
  </>;
}

/** Lines as they come, the newest below. */
export function LogView({ query, whose }: { query: Query; whose?: boolean }) {
  const [shown, setShown] = useState<Line[]>([]);
  const [state, setState] = useState<'connecting' | 'live' | 'ended'>('connecting');
  const [problem, setProblem] = useState<Problem>();
  const [paused, setPaused] = useState(false);
  const [turn, next] = useState(0);
  const box = useRef<HTMLDivElement>(null), pausing = useRef(paused);
  pausing.current = paused;
  const key = JSON.stringify(query);
  useEffect(() => {
    const ended = new AbortController(), all: Line[] = [];
    let timer = 0;
    setState('connecting'); setProblem(undefined); setShown([]);
    const q = new URLSearchParams({ follow: 'true', tail: '200' });
    for (const [k, v] of Object.entries(query)) if (v) q.set(k, v);
    const flush = () => { timer = 0; if (!pausing.current) setShown([...all]); };
    lines<Line>('GET', '/v1/logs?' + q, undefined, ended.signal, (l) => {
      all.push(l);
      if (all.length > most) all.splice(0, all.length - most);
      timer ||= setTimeout(flush, 100);
    }, () => setState('live')).then(() => setState('ended'), (e) => { if (!ended.signal.aborted) { setProblem(toProblem(e)); setState('ended'); } });
    return () => { ended.abort(); clearTimeout(timer); };
  }, [key, turn]);
  useEffect(() => { const b = box.current; if (b && !paused) b.scrollTop = b.scrollHeight; }, [shown]);
  return <>
    <div class="row"><span class="quiet" role="status">{paused ? 'Paused' : state === 'live' ? 'Live' : state === 'connecting' ? 'Connecting…' : 'Ended'}</span>
      {state === 'ended' ? <button type="button" onClick={() => next(turn + 1)}>Connect again</button> : <button type="button" aria-pressed={paused} onClick={() => setPaused(!paused)}>{paused ? 'Go on' : 'Pause'}</button>}
    </div>
    {problem && <ProblemBox problem={problem} />}
    {shown.length ? <div class="lines tall" ref={box} tabIndex={0} role="log" aria-label="Log">{shown.map((l) => <div class={'line ' + l.level}>
      {!!l.lost && <div class="quiet">{l.lost} lines were missed.</div>}
      <span class="time">{clock(l.time)}</span> <span class="level">{visible(l.level)}</span> {whose && <span class="whose">{visible(`${l.tenant}/${l.function}`)}</span>} {l.outcome && <span class="tag bad">{visible(l.outcome)}</span>} <span class="message">{visible(l.message)}</span></div>)}</div>
      : state === 'live' && <Empty><p>Nothing has been logged that these filters let through. Lines show up as they come.</p></Empty>}
  </>;
}
