package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/platform/db"
)

// relations are tables and views by their ids.
type relations map[string]string

func (r relations) names() []string {
	var names []string
	for _, name := range r {
		if name = strings.ToLower(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

const ownLocks = "SELECT relation FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid()"

// locked returns the tenant's tables and views that the transaction has locked:
// the server locks all that a statement names before it runs.
func (t *tx) locked(ctx context.Context) (relations, error) {
	return t.relations(ctx, "c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.oid IN ("+ownLocks+")")
}

func (t *tx) relations(ctx context.Context, condition string) (relations, error) {
	r, err := t.read(ctx, "SELECT c.oid::text, c.relname::text FROM pg_catalog.pg_class c WHERE c.relnamespace = $1::regnamespace AND "+condition, []byte(quote(t.pool.schema)))
	if err != nil {
		return nil, err
	}
	found := make(relations, len(r.Rows))
	for _, row := range r.Rows {
		id, _ := row[0].(string)
		found[id], _ = row[1].(string)
	}
	return found, nil
}

// lockedIDs returns all that is locked, also what is no longer there.
func (t *tx) lockedIDs(ctx context.Context) ([]string, error) {
	r, err := t.read(ctx, strings.Replace(ownLocks, "relation", "relation::text", 1))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, row := range r.Rows {
		if id, ok := row[0].(string); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// node is what we read of a plan.
type node struct {
	Type      string `json:"Node Type"`
	Operation string
	Conflict  string `json:"Conflict Resolution"`
	Relation  string `json:"Relation Name"`
	Schema    string
	Plans     []node
}

// plan returns what a statement with a plan does, or nil for one that has
// none, or whose plan does not tell. before is what was locked earlier: what
// is new is the statement's, and of the rest what its plan names.
func (t *tx) plan(ctx context.Context, sql string, params [][]byte, before relations, rows bool) (*db.Facts, error) {
	after, err := t.locked(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.control(ctx, "SAVEPOINT bulkhead_plan"); err != nil {
		return nil, err
	}
	r, err := t.read(ctx, "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) "+sql, params...)
	if is(err, "42601") {
		return nil, t.control(ctx, "ROLLBACK TO SAVEPOINT bulkhead_plan")
	}
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan node }
	for _, row := range r.Rows {
		text, _ := row[0].(string)
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			return nil, err
		}
	}
	for id := range before {
		delete(after, id)
	}
	f := &db.Facts{}
	for _, p := range plans {
		t.walk(&p.Plan, f, after)
	}
	f.Tables = after.names()
	switch {
	case f.Writes:
	case !rows:
		return nil, nil // CREATE TABLE AS shows the plan of its query
	case len(f.Kinds) == 0:
		f.Kinds = []string{"select"}
	}
	return f, nil
}

func (t *tx) walk(n *node, f *db.Facts, tables relations) {
	add := func(kinds ...string) {
		for _, kind := range kinds {
			if !slices.Contains(f.Kinds, kind) {
				f.Kinds = append(f.Kinds, kind)
			}
		}
		f.Writes = true
	}
	if n.Type == "ModifyTable" {
		switch n.Operation {
		case "Insert", "Update", "Delete":
			add(strings.ToLower(n.Operation))
		default: // MERGE may do any of them
			add("insert", "update", "delete")
		}
		if n.Conflict == "UPDATE" {
			add("update")
		}
	}
	if n.Relation != "" && n.Schema == t.pool.schema {
		tables["plan "+n.Relation] = n.Relation
	}
	for i := range n.Plans {
		t.walk(&n.Plans[i], f, tables)
	}
}

// defined are the command tags of what may be defined, and its kind.
var defined = map[string]string{
	"CREATE TABLE": "create", "CREATE TABLE AS": "create", "CREATE INDEX": "create", "CREATE VIEW": "create",
	"CREATE MATERIALIZED VIEW": "create", "CREATE SEQUENCE": "create", "CREATE TYPE": "create",
	"ALTER TABLE": "alter", "ALTER INDEX": "alter", "ALTER VIEW": "alter", "ALTER MATERIALIZED VIEW": "alter", "ALTER SEQUENCE": "alter", "ALTER TYPE": "alter",
	"DROP TABLE": "drop", "DROP INDEX": "drop", "DROP VIEW": "drop", "DROP MATERIALIZED VIEW": "drop", "DROP SEQUENCE": "drop", "DROP TYPE": "drop",
	"TRUNCATE TABLE": "delete", "REFRESH MATERIALIZED VIEW": "other", "ANALYZE": "other", "COMMENT": "other",
}

// kindOf returns the kind of a statement without a plan by its command tag.
func kindOf(tag string) (string, error) {
	if kind, ok := defined[tag]; ok {
		return kind, nil
	}
	if strings.HasPrefix(tag, "SELECT ") { // of CREATE TABLE AS
		return "create", nil
	}
	return "", refused()
}

func refused() error {
	return db.Errorf(db.CodeRefused, "this statement is not supported; for transactions use db.transaction or db.batch")
}
