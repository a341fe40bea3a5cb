// Looks up one user in the tenant's own database.
export default async function (event) {
  log("Looking up users for tenant B");
  const users = await db_query("SELECT * FROM users");
  return users.filter((user) => user.id === event.userId);
}
