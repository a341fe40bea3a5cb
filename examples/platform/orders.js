// db: an order and its items, both or neither.
export default async function ({ customer, items }) {
  await db.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL)');
  await db.exec('CREATE TABLE IF NOT EXISTS items (order_id INTEGER NOT NULL, name TEXT NOT NULL, cents INTEGER NOT NULL)');
  return await db.transaction(async (tx) => {
    const { lastInsertRowid: id } = await tx.exec('INSERT INTO orders (customer) VALUES (?)', [customer]);
    for (const { name, cents } of items) {
      await tx.exec('INSERT INTO items VALUES (@id, @name, @cents)', { id, name, cents });
    }
    const [{ total }] = await tx.query('SELECT sum(cents) AS total FROM items WHERE order_id = ?', [id]);
    return { id, total };
  });
}
