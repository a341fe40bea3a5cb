// db.transaction, and the transaction that its callback gets.

// wrapTransaction runs a callback between the host calls ("begin") and
// ("commit", number), which start starts; its statements carry that number.
// Whatever becomes of the callback, the supervisor ends the transaction with
// the invocation.
function wrapTransaction(start, calls) {
  const call = (...args) => start(...args).promise;
  return async function transaction(callback) {
    if (typeof callback !== 'function') throw new errorClasses.TypeError('db.transaction needs a function');
    const number = await call('begin');
    let result;
    try {
      result = await callback({
        query: (sql, params) => calls['db.query'](sql, params ?? null, number),
        exec: (sql, params) => calls['db.exec'](sql, params ?? null, number),
      });
    } catch (e) {
      try {
        await call('rollback', number);
      } catch {
        // It has ended already: the callback's failure is the one to tell.
      }
      throw e;
    }
    await call('commit', number);
    return result;
  };
}
