// storage: writes an object, and lists those of the same year.
export default async function ({ month, lines }) {
  const key = `reports/${month}.csv`;
  await storage.put(key, lines.join('\n'), { contentType: 'text/csv', metadata: { lines: String(lines.length) } });
  const { objects } = await storage.list({ prefix: 'reports/' + month.slice(0, 4) });
  const written = await storage.get(key);
  return { text: await written.text(), type: written.contentType, reports: objects.map((o) => o.key) };
}
