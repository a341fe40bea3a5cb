// fetch, and the fetch handler of a module. Headers, Request and Response are in
// lazy/fetch.js.

// wrapFetch gives the host call named fetch the shape that people know.
function wrapFetch(call) {
  return function fetch(resource, init) {
    needLive('fetch');
    try {
      return use('fetch').send(call, resource, init);
    } catch (e) {
      return new PromiseClass((_, reject) => reject(e));
    }
  };
}

// arrived makes the Request of a fetch handler of an event.
const arrived = (event) => use('fetch').arrive(event);

// answered turns the Response of a fetch handler into the invocation's value.
const answered = (response) => use('fetch').answered(response);
