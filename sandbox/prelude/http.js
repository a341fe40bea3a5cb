// fetch, and the fetch handler of a module. Headers, Request and Response are
// lazy parts.

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

// arrived makes the Request of a fetch handler of an event.
const arrived = (event) => use('fetch').arrive(event);

// answered turns the Response of a fetch handler into the invocation's value.
const answered = (response) => use('fetch').answered(response);
