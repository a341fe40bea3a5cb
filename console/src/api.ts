// The API, as the page uses it. The token is kept for the tab's session alone.

export interface Fault { field: string; reason: string; file?: string; line?: number; column?: number; excerpt?: string }
export interface Thrown { name: string; message: string; stack?: string; cause?: Thrown; errors?: Thrown[]; properties?: unknown }
/** A receipt: what an invocation came to and used. */
export interface Spent {
  invocation?: string; version?: string; outcome?: string; start?: string; cold_cause?: string; cold_wait_ms?: number; queued_ms?: number; duration_ms?: number; cpu_ms?: number; memory_bytes?: number;
  calls?: { api: string; count: number; failed: number; denied: number; time_ms: number; sent_bytes: number; received_bytes: number }[] | null;
  pid?: number; dropped_logs?: number;
}
export interface Problem extends Spent {
  type: string; title: string; status: number; detail?: string; remedy?: string; problems?: Fault[]; exception?: Thrown;
}
export interface Self { name: string; admin: boolean; scopes: string[]; tenant?: string; settings: boolean; tokens: boolean; version: string }

/** A refusal, or an answer that could not be had. */
export class Failure extends Error {
  constructor(readonly problem: Problem) { super(problem.detail ?? problem.title); }
  get status() { return this.problem.status; }
}

const key = 'bulkhead.token';
let token = sessionStorage.getItem(key) ?? '';
export const hasToken = () => token !== '';
export function setToken(text: string) {
  token = text;
  if (text) sessionStorage.setItem(key, text); else sessionStorage.removeItem(key);
}

const denied = new Set<() => void>();
/** Calls back when the API asks for a token, or for another one. */
export function onDenied(f: () => void) { denied.add(f); return () => { denied.delete(f); }; }

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
  if (token) headers.authorization = 'Bearer ' + token;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'omit', cache: 'no-store', redirect: 'error',
    });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Failure({ type: '', title: 'No connection', status: 0, detail: 'The supervisor does not answer.', remedy: 'Is it running? The page tries again when you do.' });
  }
  if (response.ok) return response;
  let problem: Problem = { type: '', title: response.statusText || 'Refused', status: response.status };
  try { problem = { ...problem, ...(await response.json()) }; } catch { /* not a problem document: its status says enough */ }
  if (response.status === 401) for (const f of denied) f();
  throw new Failure(problem);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send('GET', path, undefined, signal)).json() as Promise<T>;
}

export async function change<T>(method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T | undefined> {
  const response = await send(method, path, body);
  const text = await response.text();
  return text ? JSON.parse(text) as T : undefined;
}

/** Reads a stream of JSON objects, one a line. */
export async function lines<T>(method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal, each: (one: T) => void, begun?: () => void): Promise<void> {
  const response = await send(method, path, body, signal);
  begun?.();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line) each(JSON.parse(line) as T);
    }
  }
}

export const tenantPath = (tenant: string) => '/v1/tenants/' + encodeURIComponent(tenant);
export const functionPath = (tenant: string, name: string) => tenantPath(tenant) + '/functions/' + encodeURIComponent(name);
