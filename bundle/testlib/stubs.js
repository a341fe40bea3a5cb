// The platform APIs under test: each is a call of a stub, or an error.

const originals = new Map(); // by the API's name
const sync = new Map();
let active = []; // {name, record}: the last of a name counts
let real = false;
export let report;

// install puts our functions in the place of the platform APIs, before any
// other module can keep one of them.
export function install(apis, reporter) {
  report = globalThis[reporter];
  delete globalThis[reporter];
  for (const { name, sync: isSync } of apis) {
    const path = name.split('.');
    const last = path.pop();
    let target = globalThis;
    for (const part of path) {
      if (!(part in target)) Object.defineProperty(target, part, { value: {}, writable: true, configurable: true });
      target = target[part];
    }
    originals.set(name, target[last]);
    sync.set(name, isSync);
    const call = { [last]: (...args) => dispatch(name, args) }[last];
    Object.defineProperty(target, last, { value: call, writable: true, configurable: true, enumerable: false });
  }
}

export function useReal(on) { real = on; }

function dispatch(name, args) {
  const found = active.findLast((s) => s.name === name);
  if (found) return found.record.answer(args);
  const original = originals.get(name);
  if ((real || name === 'log') && original) return original(...args);
  const e = new Error(`${name} was called, and there is no stub for it: write stub('${name}', (...args) => ...) before, or run the tests with --real`);
  e.name = 'StubError';
  if (sync.get(name)) throw e;
  return Promise.reject(e);
}

// mark and restore bound what lives for one test.
export const mark = () => active.length;
export const restore = (length) => { active.length = length; };

const clone = (v) => {
  try { return structuredClone(v); } catch { return v; }
};

function add(name, implementation) {
  if (!originals.has(name)) {
    throw new TypeError(`there is no platform API ${name}; there are ${[...originals.keys()].join(', ')}`);
  }
  const f = typeof implementation === 'function' ? implementation : () => implementation;
  const record = {
    name,
    calls: [], // the arguments of each
    answer(args) {
      record.calls.push(name === 'fetch' ? args : args.map(clone));
      if (sync.get(name)) return f(...args);
      return (async () => f(...args))();
    },
    get called() { return record.calls.length > 0; },
    restore() { active = active.filter((s) => s.record !== record); },
  };
  active.push({ name, record });
  return record;
}

// stub answers the calls of one platform API by a function or with a value.
export function stub(name, implementation) {
  if (typeof name !== 'string') throw new TypeError("stub needs the name of a platform API, such as 'kv.get'");
  return add(name, implementation);
}

const failure = (name, message, more) => Object.assign(new Error(message), { name }, more);

// group makes the stubs of several APIs that share what they keep.
function group(prefix, members, more) {
  const calls = [];
  const records = Object.entries(members).map(([member, f]) => stub(prefix + member, (...args) => {
    calls.push([member, ...args.map(clone)]);
    return f(...args);
  }));
  return { calls, restore() { records.forEach((r) => r.restore()); }, ...more };
}

stub.kv = (entries = {}) => {
  let version = 0;
  const data = new Map();
  const set = (key, value, ttl) => data.set(key, { value: clone(value), version: ++version, expires: ttl ? Date.now() + ttl * 1000 : undefined });
  for (const [key, value] of Object.entries(entries)) set(key, value);
  const live = (key) => {
    const e = data.get(key);
    return e && (e.expires === undefined || e.expires > Date.now()) ? e : undefined;
  };
  const check = (key, { ifVersion, ifAbsent } = {}) => {
    const current = live(key)?.version ?? null;
    if ((ifAbsent && current !== null) || (ifVersion !== undefined && ifVersion !== current)) {
      throw failure('ConflictError', `kv: ${key} has version ${current}`, { version: current });
    }
  };
  return group('kv.', {
    get: (key) => clone(live(key)?.value),
    getWithVersion: (key) => {
      const e = live(key);
      return e && { value: clone(e.value), version: e.version, expires: e.expires };
    },
    put: (key, value, options = {}) => {
      if (value === undefined) throw new TypeError('kv.put: undefined cannot be put');
      check(key, options);
      set(key, value, options.ttl);
      return { version };
    },
    delete: (key, options = {}) => {
      check(key, options);
      return live(key) !== undefined && data.delete(key);
    },
    list: ({ prefix = '', limit = 100, cursor } = {}) => {
      const keys = [...data.keys()].filter((k) => k.startsWith(prefix) && live(k) && (cursor === undefined || k > cursor)).sort();
      const page = keys.slice(0, limit);
      return {
        keys: page.map((key) => ({ key, version: data.get(key).version, expires: data.get(key).expires })),
        cursor: keys.length > limit ? page.at(-1) : undefined,
      };
    },
  }, {
    get: (key) => clone(live(key)?.value),
    entries: () => Object.fromEntries([...data].filter(([k]) => live(k)).map(([k, e]) => [k, clone(e.value)])),
  });
};

stub.env = (vars = {}) => group('env.', { get: (name) => vars[name], all: () => ({ ...vars }) });

stub.secrets = (values = {}) => group('secrets.', {
  get: (name) => {
    if (!(name in values)) throw failure('NotFoundError', `there is no secret ${name}`);
    return values[name];
  },
});

stub.queue = () => {
  const messages = [];
  return group('queue.', {
    send: (queue, message, options) => {
      messages.push({ queue, message: clone(message), ...(options && { options: clone(options) }) });
      return { id: 'message-' + messages.length };
    },
  }, { messages });
};

stub.storage = (objects = {}) => {
  const data = new Map();
  const keep = async (key, body, { contentType, metadata = {} } = {}) => {
    const bytes = new Uint8Array(await new Response(body).arrayBuffer());
    const object = { key, bytes, size: bytes.length, uploaded: Date.now(), etag: `"${data.size + 1}-${bytes.length}"`, contentType, metadata };
    data.set(key, object);
    return head(object);
  };
  const ready = Promise.all(Object.entries(objects).map(([key, body]) => keep(key, body)));
  const head = ({ bytes, ...rest }) => rest;
  const whole = (object, range) => {
    const start = range?.offset ?? 0;
    const bytes = object.bytes.slice(start, range?.length === undefined ? undefined : start + range.length);
    const body = () => new Response(bytes);
    return {
      ...head(object), get body() { return body().body; },
      text: () => body().text(), json: () => body().json(), bytes: async () => bytes.slice(), arrayBuffer: () => body().arrayBuffer(), blob: () => body().blob(),
    };
  };
  const after = (f) => async (...args) => { await ready; return f(...args); };
  return group('storage.', {
    put: after((key, body, options) => keep(key, body, options)),
    get: after((key, { range } = {}) => data.has(key) ? whole(data.get(key), range) : undefined),
    head: after((key) => data.has(key) ? head(data.get(key)) : undefined),
    delete: after((key) => data.delete(key)),
    list: after(({ prefix = '', delimiter, limit = 100, cursor } = {}) => {
      const found = [], prefixes = new Set();
      for (const key of [...data.keys()].sort()) {
        if (!key.startsWith(prefix) || (cursor !== undefined && key <= cursor)) continue;
        const cut = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
        if (cut >= 0) prefixes.add(key.slice(0, cut + delimiter.length));
        else found.push(key);
      }
      const page = found.slice(0, limit);
      return {
        objects: page.map((key) => ({ key, size: data.get(key).size, uploaded: data.get(key).uploaded })),
        prefixes: [...prefixes], cursor: found.length > limit ? page.at(-1) : undefined,
      };
    }),
  }, { text: (key) => data.has(key) ? new TextDecoder().decode(data.get(key).bytes) : undefined });
};

stub.db = (answer) => {
  const run = (sql, params) => answer(sql, params ?? []);
  const exec = async (sql, params) => (await run(sql, params)) ?? { changes: 0, lastInsertRowid: 0 };
  const query = async (sql, params) => (await run(sql, params)) ?? [];
  return group('db.', {
    query, exec,
    batch: async (statements) => {
      const results = [];
      for (const s of statements) results.push(typeof s === 'string' ? await exec(s) : await exec(s.sql ?? s[0], s.params ?? s[1]));
      return results;
    },
    transaction: (callback) => callback({ query, exec }),
  });
};

stub.invoke = (functions) => group('', {
  invoke: (name, event, options) => {
    if (!(name in functions)) throw failure('FunctionError', `${name}: the tenant has no such function`, { function: name, outcome: 'not-found', retryable: false });
    const f = functions[name];
    return typeof f === 'function' ? f(event, options) : f;
  },
});

// stub.fetch answers by the URL: 'https://...' or 'POST https://...'; one that
// ends in * stands for all that begin so.
stub.fetch = (routes) => stub('fetch', async (input, init) => {
  const request = new Request(input, init);
  for (const [route, answer] of Object.entries(routes)) {
    const [, method, url] = /^(?:([A-Z]+) )?(.*)$/.exec(route);
    if (method !== undefined && method !== request.method) continue;
    if (url.endsWith('*') ? !request.url.startsWith(url.slice(0, -1)) : new URL(url).href !== request.url) continue;
    const response = typeof answer === 'function' ? await answer(request) : answer;
    if (response instanceof Response) return response.clone();
    return typeof response === 'string' ? new Response(response) : Response.json(response);
  }
  throw new TypeError(`fetch failed: there is no stub for ${request.method} ${request.url}`);
});
