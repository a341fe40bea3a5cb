// What packages ask of process without being Node programs. There is no
// process.versions.node, so that none takes the sandbox for Node.
'use strict';

const noop = () => process;
const process = {
  title: 'bulkhead',
  browser: true,
  env: {},
  argv: [],
  execArgv: [],
  version: '',
  versions: {},
  platform: 'bulkhead',
  pid: 1,
  cwd: () => '/',
  umask: () => 0,
  uptime: () => performance.now() / 1000,
  hrtime: Object.assign((before) => {
    const ms = performance.now();
    let seconds = Math.floor(ms / 1000);
    let nanoseconds = Math.floor((ms % 1000) * 1e6);
    if (before) {
      seconds -= before[0];
      nanoseconds -= before[1];
      if (nanoseconds < 0) {
        seconds--;
        nanoseconds += 1e9;
      }
    }
    return [seconds, nanoseconds];
  }, { bigint: () => BigInt(Math.floor(performance.now() * 1e6)) }),
  nextTick: (callback, ...args) => queueMicrotask(() => callback(...args)),
  emitWarning: (warning) => console.warn(String(warning)),
  on: noop, once: noop, off: noop, addListener: noop, removeListener: noop, removeAllListeners: noop,
  emit: () => false,
  listeners: () => [],
  exit() {
    throw new Error('process.exit is not there in the sandbox: return, or throw');
  },
};
process.process = process; // for those who import { process }

module.exports = process;
