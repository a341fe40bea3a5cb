package postgres

import (
	"context"
	"fmt"
)

// DeleteTenant implements db.Engine: it closes the tenant's connections and
// drops its schema and its role.
func (e *Engine) DeleteTenant(ctx context.Context, tenant string) error {
	if !tenantName.MatchString(tenant) {
		return fmt.Errorf("%q is not a tenant's name", tenant)
	}
	e.mu.Lock()
	p := e.pools[tenant]
	delete(e.pools, tenant)
	e.mu.Unlock()
	if p != nil {
		p.close()
	}
	schema := schemaName(tenant)
	role := quote(schema)
	var exists bool
	if err := e.admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", schema).Scan(&exists); err != nil {
		return fmt.Errorf("the database of tenant %s: %w", tenant, err)
	}
	statements := []string{"DROP SCHEMA IF EXISTS " + role + " CASCADE"}
	if exists {
		// What it owns and what it was granted can be dropped by its members.
		statements = append(statements, "GRANT "+role+" TO CURRENT_USER", "DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role)
	}
	for _, sql := range statements {
		_, err := e.admin.Exec(ctx, sql)
		if is(err, "2BP01") { // another database of the server has the role, too
			_, err = e.admin.Exec(ctx, "ALTER ROLE "+role+" NOLOGIN")
		}
		if err != nil {
			return fmt.Errorf("the database of tenant %s: %w", tenant, err)
		}
	}
	return nil
}
