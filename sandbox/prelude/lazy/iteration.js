// The iterators of classes that are lists of pairs, after Web IDL.

// iteratorOf makes the iterators of a class: of list(), which may change under
// them, each item as show has it.
function iteratorOf(name) {
  class PairIterator {
    #list;
    #show;
    #at = 0;
    constructor(list, show) {
      this.#list = list;
      this.#show = show;
    }
    next() {
      const pairs = this.#list();
      return this.#at < pairs.length ? { value: this.#show(pairs[this.#at++]), done: false } : { value: undefined, done: true };
    }
  }
  const proto = PairIterator.prototype;
  delete proto.constructor;
  Object.setPrototypeOf(proto, shared.iteratorPrototype);
  Object.defineProperty(proto, 'next', { enumerable: true });
  Object.defineProperty(proto, Symbol.toStringTag, { value: name + ' Iterator', configurable: true });
  return (list, show) => new PairIterator(list, show);
}

return { __proto__: null, iteratorOf };
