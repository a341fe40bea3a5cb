// fetch. Headers, Request and Response are lazy parts, and so is what runs the
// fetch handler of a module.

// wrapFetch gives the host call named fetch, which start starts, the shape that
// people know.
function wrapFetch(start) {
  return function fetch(resource, init) {
    needLive('fetch');
    try {
      return use('fetch').send(start, resource, init);
    } catch (e) {
      return new PromiseClass((_, reject) => reject(e));
    }
  };
}
