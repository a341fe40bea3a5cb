import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, hasToken, onDenied, setToken, type Problem, type Self } from './api';
import { Playground } from './playground';
import { Audit } from './pages/audit';
import { FunctionPage } from './pages/function';
import { Logs } from './pages/logs';
import { Overview } from './pages/overview';
import { Policies } from './pages/policies';
import { Sandboxes } from './pages/sandboxes';
import { TenantPage, Tenants } from './pages/tenants';
import { Tokens } from './pages/tokens';
import { visible } from './text';
import { applyTheme, ThemeButton } from './theme';
import { Empty, Link, navigate, ProblemBox, toProblem } from './ui';

const base = '/console/';
const sections: [path: string, title: string, admin?: boolean][] = [
  ['playground', 'Playground'], ['overview', 'Overview', true], ['tenants', 'Tenants'], ['logs', 'Logs'], ['audit', 'Audit'],
  ['policies', 'Policies'], ['sandboxes', 'Sandboxes', true], ['tokens', 'Tokens', true],
];

function usePath(): string[] {
  const read = () => location.pathname.slice(base.length).split('/').filter(Boolean).map((p) => { try { return decodeURIComponent(p); } catch { return p; } });
  const [path, set] = useState(read);
  useEffect(() => {
    const changed = () => set(read());
    addEventListener('popstate', changed);
    return () => removeEventListener('popstate', changed);
  }, []);
  return path;
}

function TokenPrompt({ problem, done }: { problem?: Problem; done: () => void }) {
  const [text, setText] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return <main class="prompt"><form onSubmit={(e) => { e.preventDefault(); if (text.trim()) { setToken(text.trim()); done(); } }}>
    <h1>Bulkhead</h1>
    <p>This supervisor asks for a token. On its machine, <code>supervisor token create NAME --scope admin</code> makes one.</p>
    {problem && hasToken() && <p class="bad" role="alert">{visible(problem.detail ?? problem.title)}</p>}
    <label for="token">Token</label>
    <input id="token" ref={field} type="password" autocomplete="off" spellcheck={false} value={text} onInput={(e) => setText(e.currentTarget.value)} />
    <button type="submit" class="primary">Continue</button>
    <p class="quiet">It stays in this tab and is gone when the tab is closed.</p>
  </form></main>;
}

function Page({ path, self }: { path: string[]; self: Self }) {
  const [section, ...rest] = path;
  const known = sections.find(([p]) => p === section);
  if (known?.[2] && !self.admin) return <Empty><h1>{known[1]}</h1><p>This token may not see it: the scope <code>admin</code> is needed.</p></Empty>;
  switch (section) {
    case 'overview': return <Overview />;
    case 'tenants':
      if (rest.length >= 3 && rest[1] === 'functions') return <FunctionPage key={rest[0] + '/' + rest[2]} tenant={rest[0]} name={rest[2]} self={self} />;
      if (rest.length) return <TenantPage key={rest[0]} tenant={rest[0]} self={self} />;
      return <Tenants self={self} />;
    case 'logs': return <Logs self={self} />;
    case 'audit': return <Audit self={self} />;
    case 'policies': return <Policies self={self} />;
    case 'sandboxes': return <Sandboxes />;
    case 'tokens': return <Tokens />;
  }
  return <Empty><h1>There is nothing here</h1><p><Link to={base + 'playground'}>To the playground</Link></p></Empty>;
}

function App() {
  const path = usePath();
  const [self, setSelf] = useState<Self>();
  const [problem, setProblem] = useState<Problem>();
  const [turn, next] = useState(0);
  const main = useRef<HTMLElement>(null);
  // A token that has been revoked meanwhile: the supervisor is asked anew, once.
  const known = useRef(false);
  known.current = self !== undefined;
  useEffect(() => onDenied(() => { if (known.current) { known.current = false; setSelf(undefined); next((n) => n + 1); } }), []);
  useEffect(() => {
    let gone = false;
    get<Self>('/v1/self').then((s) => { if (!gone) { setSelf(s); setProblem(undefined); } }, (e) => { if (!gone) { setSelf(undefined); setProblem(toProblem(e)); } });
    return () => { gone = true; };
  }, [turn]);
  const section = path[0] ?? '';
  useEffect(() => { if (!section) navigate(base + 'playground' + location.hash, true); }, [section]);
  const title = sections.find(([p]) => p === section)?.[1];
  // On a phone the sections are a row that scrolls.
  useEffect(() => { document.querySelector('nav a[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [section, self]);
  useEffect(() => { document.title = (title ? title + ' · ' : '') + 'Bulkhead'; }, [title]);

  if (!self) {
    if (problem?.status === 401) return <TokenPrompt problem={problem} done={() => { setProblem(undefined); next((n) => n + 1); }} />;
    if (problem) return <main class="prompt"><ProblemBox problem={problem} retry={() => next((n) => n + 1)} /></main>;
    return <p class="boot" role="status">Asking the supervisor…</p>;
  }
  return <>
    <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); main.current?.focus(); }}>To the content</a>
    <header>
      <Link to={base + 'playground'} class="brand">Bulkhead</Link>
      <nav aria-label="Sections">{sections.filter(([, , admin]) => !admin || self.admin).map(([p, t]) => <Link to={base + p} current={p === section}>{t}</Link>)}</nav>
      <div class="who">
        <span class="quiet" title={'supervisor ' + self.version}>{visible(self.name === 'anybody' ? 'no token needed' : self.name)}</span>
        {hasToken() && <button type="button" onClick={() => { setToken(''); setSelf(undefined); next((n) => n + 1); }}>Forget token</button>}
        <ThemeButton />
      </div>
    </header>
    <main id="main" ref={main} tabIndex={-1} class={section === 'playground' ? 'wide' : ''}>
      {section === 'playground' ? <Playground self={self} /> : <Page path={path} self={self} />}
    </main>
    <div id="said" class="hidden" role="status" aria-live="polite" />
  </>;
}

applyTheme();
// The editor comes while the supervisor is asked who this is.
if (/^\/console\/(playground)?$/.test(location.pathname)) void import('./editor');
const root = document.getElementById('app')!;
root.replaceChildren();
render(<App />, root);
