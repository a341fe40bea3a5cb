// The platform APIs as globals.

// viaStorage is the wrapper of a host call of storage.
const viaStorage = (member) => (start) => (...args) => {
  needLive('storage.' + member);
  return use('storage')[member](start, ...args);
};

// wrappers give host calls the shape that people know.
const wrappers = {
  __proto__: null, fetch: wrapFetch, 'db.transaction': wrapTransaction,
  'storage.get': viaStorage('get'), 'storage.put': viaStorage('put'),
};

let apiCalls = { __proto__: null }; // by name, as tenants find them

// define makes the platform APIs globals: [[name, sync], ...], in the order
// of the indexes that host calls carry. Called by Go before tenant code.
function define(apis) {
  const calls = apiCalls = { __proto__: null };
  for (let i = 0; i < apis.length; i++) {
    const path = apply(split, apis[i][0], ['.']);
    const name = path[path.length - 1];
    let target = globalThis;
    for (let n = 0; n < path.length - 1; n++) {
      if (getOwnPropertyDescriptor(target, path[n]) === undefined) hide(target, path[n], create(ObjectPrototype));
      target = target[path[n]];
    }
    const call = wrappers[apis[i][0]]?.((...args) => startCall(i, args, apis[i][0]), calls) ??
      (apis[i][1] ? (...args) => hostCallSync(i, args, apis[i][0]) : (...args) => hostCall(i, args, apis[i][0]));
    defineProperty(call, 'name', { __proto__: null, value: name, configurable: true });
    calls[apis[i][0]] = call;
    hide(target, name, call);
  }
}
