// What every page is made of. All text goes through JSX, which makes text
// nodes; tenants' text goes through visible() before.

import type { ComponentChildren } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { Failure, get, type Problem } from './api';
import { inline, visible } from './text';

export const Text = ({ of }: { of: string }) => <>{inline(of)}</>;

export function navigate(to: string, replace = false) {
  if (replace) history.replaceState(null, '', to); else history.pushState(null, '', to);
  dispatchEvent(new PopStateEvent('popstate'));
}

export function Link({ to, children, current, class: c }: { to: string; children: ComponentChildren; current?: boolean; class?: string }) {
  return <a href={to} class={c} aria-current={current ? 'page' : undefined} onClick={(e) => {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    e.preventDefault();
    navigate(to);
  }}>{children}</a>;
}

export const toProblem = (e: unknown): Problem =>
  e instanceof Failure ? e.problem : { type: '', title: 'The page failed', status: 0, detail: e instanceof Error ? e.message : String(e) };

export function ProblemBox({ problem: p, retry }: { problem: Problem; retry?: () => void }) {
  const title = p.status === 403 ? 'Not allowed' : p.status === 401 ? 'A token is needed' : p.title;
  return <div class="problem" role="alert">
    <strong>{visible(title)}</strong>
    {p.detail && <p>{visible(p.detail)}</p>}
    {p.problems?.map((f) => <p class="fault"><code>{visible(f.line ? `${f.file ?? f.field}:${f.line}:${f.column ?? 1}` : f.field)}</code> {visible(f.reason)}</p>)}
    {p.remedy && <p class="remedy">→ {visible(p.remedy)}</p>}
    {retry && <button type="button" onClick={retry}>Try again</button>}
  </div>;
}

export interface Loaded<T> { data?: T; problem?: Problem; reload: () => void }

/** Loads a path, and again every so many milliseconds. An empty path loads nothing. */
export function useLoad<T>(path: string, every = 0): Loaded<T> {
  const [state, set] = useState<{ path: string; data?: T; problem?: Problem }>({ path });
  const [turn, next] = useState(0);
  useEffect(() => {
    if (!path) return;
    const ended = new AbortController();
    let timer = 0;
    const load = async () => {
      if (!document.hidden || !every) {
        try {
          const data = await get<T>(path, ended.signal);
          if (!ended.signal.aborted) set({ path, data });
        } catch (e) {
          if (!ended.signal.aborted) set((was) => ({ path, data: was.path === path ? was.data : undefined, problem: toProblem(e) }));
        }
      }
      if (every && !ended.signal.aborted) timer = setTimeout(load, every);
    };
    void load();
    return () => { ended.abort(); clearTimeout(timer); };
  }, [path, every, turn]);
  const reload = useCallback(() => next((n) => n + 1), []);
  return state.path === path ? { ...state, reload } : { reload };
}

/** Shows what was loaded, or why it is not there. */
export function Show<T>({ of, what, empty, children }: { of: Loaded<T>; what: string; empty?: (d: T) => ComponentChildren | false; children: (d: T) => ComponentChildren }) {
  if (of.data === undefined) {
    return of.problem ? <ProblemBox problem={of.problem} retry={of.reload} /> : <p class="quiet" role="status">Loading {what}…</p>;
  }
  return <>
    {of.problem && <ProblemBox problem={of.problem} retry={of.reload} />}
    {(empty && empty(of.data)) || children(of.data)}
  </>;
}

export const Empty = ({ children }: { children: ComponentChildren }) => <div class="empty">{children}</div>;

export function Table({ label, head, children }: { label: string; head: string[]; children: ComponentChildren }) {
  return <div class="scroll" tabIndex={0} role="region" aria-label={label}><table>
    <thead><tr>{head.map((h) => <th scope="col">{h || <span class="hidden">Actions</span>}</th>)}</tr></thead>
    <tbody>{children}</tbody>
  </table></div>;
}

/** A button that asks before it acts, in its own place. */
export function Confirm({ label, ask, act, danger }: { label: string; ask: string; act: () => Promise<unknown>; danger?: boolean }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const yes = useRef<HTMLButtonElement>(null);
  useEffect(() => { if (asking) yes.current?.focus(); }, [asking]);
  if (!asking) return <button type="button" class={danger ? 'danger' : ''} onClick={() => setAsking(true)}>{label}</button>;
  return <span class="confirm" role="group" aria-label={ask} onKeyDown={(e) => { if (e.key === 'Escape') setAsking(false); }}>
    <span>{ask}</span>
    <button ref={yes} type="button" class="danger" disabled={busy} onClick={async () => {
      setBusy(true);
      try { await act(); } finally { setBusy(false); setAsking(false); }
    }}>{busy ? 'Working…' : 'Yes'}</button>
    <button type="button" onClick={() => setAsking(false)}>No</button>
  </span>;
}

let said: HTMLElement | null = null;
/** Tells those who hear the page. */
export function say(text: string) {
  said ??= document.getElementById('said');
  if (said) said.textContent = text;
}
