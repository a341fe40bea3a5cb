// Asks for an API that its tenant's policy does not allow.
async () => db_query("SELECT * FROM users");
