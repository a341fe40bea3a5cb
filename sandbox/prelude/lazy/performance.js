// performance (High Resolution Time, User Timing; coarse) and navigator.

const { tagged, domException } = shared;
const token = {};
const allow = (secret) => { if (secret !== token) throw new TypeError('Illegal constructor'); };

class PerformanceEntry {
  #entry;
  constructor(secret, entry) { allow(secret); this.#entry = entry; }
  get name() { return this.#entry.name; }
  get entryType() { return this.#entry.entryType; }
  get startTime() { return this.#entry.startTime; }
  get duration() { return this.#entry.duration; }
  toJSON() { return { ...this.#entry }; }
}
const detailOf = (options) => (options?.detail === undefined ? null : shared.use('clone').structuredClone(options.detail));
class PerformanceMark extends PerformanceEntry {
  #detail;
  constructor(name, options) {
    if (arguments.length === 0) throw new TypeError('PerformanceMark: 1 argument is needed');
    const startTime = options?.startTime === undefined ? shared.now() : Number(options.startTime);
    if (!(startTime >= 0)) throw new TypeError('PerformanceMark: startTime must not be negative');
    super(token, { name: `${name}`, entryType: 'mark', startTime, duration: 0 });
    this.#detail = detailOf(options);
  }
  get detail() { return this.#detail; }
}
class PerformanceMeasure extends PerformanceEntry {
  #detail;
  constructor(secret, name, startTime, duration, detail) {
    allow(secret);
    super(token, { name, entryType: 'measure', startTime, duration });
    this.#detail = detail;
  }
  get detail() { return this.#detail; }
}

// More entries than this drop the oldest.
const most = 1000;

class Performance extends shared.use('events').EventTarget {
  #entries = [];
  constructor(secret) { allow(secret); super(); }
  #add(entry) {
    this.#entries.push(entry);
    if (this.#entries.length > most) this.#entries.shift();
    return entry;
  }
  #time(mark) {
    if (typeof mark === 'number') return mark;
    const found = this.#entries.findLast((e) => e.entryType === 'mark' && e.name === `${mark}`);
    if (found === undefined) throw domException('SyntaxError', `there is no mark '${mark}'`);
    return found.startTime;
  }
  #since() { return shared.now(); }
  now() { return this.#since(); }
  get timeOrigin() { return Date.now() - this.#since(); }
  mark(name, options) { return this.#add(new PerformanceMark(name, options)); }
  measure(name, from, to) {
    if (arguments.length === 0) throw new TypeError('measure: 1 argument is needed');
    const o = typeof from === 'object' && from !== null ? from : { start: from, end: to };
    const end = o.end !== undefined ? this.#time(o.end)
      : o.start !== undefined && o.duration !== undefined ? this.#time(o.start) + Number(o.duration) : shared.now();
    const start = o.start !== undefined ? this.#time(o.start) : o.duration !== undefined ? end - Number(o.duration) : 0;
    return this.#add(new PerformanceMeasure(token, `${name}`, start, end - start, detailOf(o)));
  }
  clearMarks(name) { this.#clear('mark', name); }
  clearMeasures(name) { this.#clear('measure', name); }
  #clear(type, name) {
    this.#entries = this.#entries.filter((e) => e.entryType !== type || (name !== undefined && e.name !== `${name}`));
  }
  getEntries() { return this.#entries.toSorted((a, b) => a.startTime - b.startTime); }
  getEntriesByType(type) { return this.getEntries().filter((e) => e.entryType === `${type}`); }
  getEntriesByName(name, type) {
    return this.getEntries().filter((e) => e.name === `${name}` && (type === undefined || e.entryType === `${type}`));
  }
  toJSON() { return { timeOrigin: Date.now() - this.#since() }; }
}

class Navigator {
  #agent = 'Bulkhead';
  constructor(secret) { allow(secret); }
  get userAgent() { return this.#agent; }
}

return {
  ...tagged({ __proto__: null, PerformanceEntry, PerformanceMark, PerformanceMeasure, Performance, Navigator }),
  performance: new Performance(token), navigator: new Navigator(token),
};
