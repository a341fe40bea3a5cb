'use strict';

module.exports = {
  setTimeout, clearTimeout, setInterval, clearInterval,
  setImmediate: (callback, ...args) => setTimeout(callback, 0, ...args),
  clearImmediate: (id) => clearTimeout(id),
};
