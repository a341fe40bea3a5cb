package dbtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/policies"
)

// policy: the database says what a statement does, whatever its text looks
// like, and a denied one has no effect.
func policy(t *testing.T, _ Dialect, f *Fixture) {
	f.Must(t, "db.exec", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
	f.Must(t, "db.exec", "CREATE TABLE secrets (id INTEGER PRIMARY KEY, name TEXT)")
	f.Must(t, "db.exec", "INSERT INTO users VALUES (1, 'Alice')")
	f.Must(t, "db.exec", "INSERT INTO secrets VALUES (1, 's3cret')")
	f.Must(t, "db.exec", "CREATE VIEW innocent AS SELECT name FROM secrets")
	for _, c := range []struct {
		sql    string
		kinds  string
		tables string // those that matter
	}{
		{"SELECT name FROM users", "select", "users"},
		{"SELECT count(*) AS n FROM Users", "select", "users"},
		{"SELECT 1 AS n", "select", ""},
		{"/* INSERT INTO x */ SELECT 'DELETE FROM users' AS n", "select", ""},
		{"SELECT u.name FROM users u JOIN secrets s ON s.id = u.id", "select", "secrets users"},
		{"SELECT name FROM users WHERE id IN (SELECT id FROM secrets)", "select", "secrets users"},
		{"WITH q AS (SELECT name FROM secrets) SELECT count(*) AS n FROM q", "select", "secrets"},
		{"SELECT name FROM innocent", "select", "innocent secrets"},
		{"SELECT name FROM secrets WHERE 1 = 0", "select", "secrets"},
		{"INSERT INTO users SELECT id + 10, name FROM secrets", "insert", "secrets users"},
		{"INSERT INTO users VALUES (2, 'Bob')", "insert", "users"},
		{"UPDATE users SET name = (SELECT name FROM secrets) WHERE id = 1", "update", "secrets users"},
		{"UPDATE users SET name = 'x' WHERE 1 = 0", "update", "users"},
		{"INSERT INTO users VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y'", "insert update", "users"},
		{"DELETE FROM users WHERE id = 99", "delete", "users"},
		{"CREATE TABLE other AS SELECT name FROM secrets", "create", "other secrets"},
		{"CREATE INDEX by_name ON users (name)", "create", "users"},
		{"CREATE VIEW v AS SELECT 1 AS one", "create", "v"},
		{"ALTER TABLE users ADD COLUMN more TEXT", "alter", "users"},
		{"DROP TABLE users", "drop", "users"},
	} {
		before := snapshot(t, f)
		f.Checks = nil
		denied := ""
		f.Deny = func(a policies.Attributes) bool {
			denied = a.Statement
			return true
		}
		if _, err := f.Do(t.Context(), t, "db.exec", c.sql); err == nil || !strings.Contains(err.Error(), "PermissionError") {
			t.Errorf("%s: %v, want a PermissionError", c.sql, err)
		}
		f.Deny = nil
		if after := snapshot(t, f); after != before {
			t.Errorf("%s was denied and had an effect: %s, before %s", c.sql, after, before)
		}
		if !slices.Contains(strings.Fields(c.kinds), denied) {
			t.Errorf("%s: denied as %q, want one of %s", c.sql, denied, c.kinds)
		}
		f.Checks = nil
		tx := f.Begin(t.Context(), t)
		f.Checks = nil
		if _, err := f.Do(t.Context(), t, "db.exec", c.sql, nil, tx); err != nil {
			t.Errorf("%s: %v", c.sql, err)
		}
		var kinds []string
		for _, a := range f.Checks {
			kinds = append(kinds, a.Statement)
			tables := slices.Clone(a.Tables)
			if got := strings.Join(tables, " "); got != c.tables {
				t.Errorf("%s: tables %q, want %q", c.sql, got, c.tables)
			}
		}
		slices.Sort(kinds)
		if got := strings.Join(slices.Compact(kinds), " "); got != c.kinds {
			t.Errorf("%s: kinds %q, want %q", c.sql, got, c.kinds)
		}
		f.Must(t, "db.transaction", "rollback", tx)
	}
	// What a view reads changes, and what was known of the statement with it.
	f.Must(t, "db.query", "SELECT name FROM innocent")
	f.Must(t, "db.exec", "DROP VIEW innocent")
	f.Must(t, "db.exec", "CREATE VIEW innocent AS SELECT name FROM users")
	f.Deny = func(a policies.Attributes) bool { return !slices.Contains(a.Tables, "innocent") }
	f.Must(t, "db.query", "SELECT name FROM innocent")
	f.Deny = nil
	f.Must(t, "db.exec", "DROP VIEW innocent")
	f.Must(t, "db.exec", "CREATE VIEW innocent AS SELECT name FROM secrets")
	f.Deny = func(a policies.Attributes) bool { return slices.Contains(a.Tables, "secrets") }
	if _, err := f.Do(t.Context(), t, "db.query", "SELECT name FROM innocent"); err == nil || !strings.Contains(err.Error(), "PermissionError") {
		t.Errorf("a view that was changed gave away the secrets: %v", err)
	}
	// A batch is denied as a whole.
	if _, err := f.Do(t.Context(), t, "db.batch", []any{"DELETE FROM users", "SELECT name FROM secrets"}); err == nil {
		t.Error("a batch was not denied")
	}
	f.Deny = nil
	if got := f.Must(t, "db.query", "SELECT count(*) AS n FROM users"); got != "[{n:1}]" {
		t.Errorf("the denied batch left %s", got)
	}
	_, err := f.Do(t.Context(), t, "db.exec", "DROP TABLE nope")
	WantError(t, err, "DatabaseError", db.CodeInvalid, "nope")
}

func snapshot(t *testing.T, f *Fixture) string {
	deny := f.Deny
	f.Deny = nil
	defer func() { f.Deny = deny }()
	return f.Must(t, "db.query", "SELECT * FROM users ORDER BY id") + f.Must(t, "db.query", "SELECT * FROM secrets ORDER BY id")
}
