// kv: a counter that many invocations may raise at once. ifVersion makes the
// write fail when another one came between.
export default async function ({ page }) {
  const key = 'visits:' + page;
  for (;;) {
    const now = await kv.getWithVersion(key);
    const visits = (now?.value ?? 0) + 1;
    try {
      await kv.put(key, visits, now ? { ifVersion: now.version } : { ifAbsent: true });
      return { page, visits };
    } catch (e) {
      if (e.name !== 'ConflictError') throw e;
    }
  }
}
