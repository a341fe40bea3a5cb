package worker

import (
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// noted is what the authorizer saw a statement do.
type noted struct {
	kinds, tables []string
	// doubtful are tables that may not be any: SQLite gives the names of
	// common table expressions and table-valued functions in the same way.
	doubtful []string
}

func (n *noted) note(kind, table string) {
	if !slices.Contains(n.kinds, kind) {
		n.kinds = append(n.kinds, kind)
	}
	if table != "" && !slices.Contains(n.tables, table) {
		n.tables = append(n.tables, table)
	}
}

func (n *noted) doubt(table string) {
	if table = strings.ToLower(table); table != "" && !slices.Contains(n.doubtful, table) {
		n.doubtful = append(n.doubtful, table)
	}
}

// eponymous reports whether a table of that name exists without being made.
func eponymous(table string) bool {
	table = strings.ToLower(table)
	return strings.HasPrefix(table, "pragma_") || table == "json_each" || table == "json_tree"
}

// isDefinition: such a statement also inserts, updates and deletes, in the
// schema and to move rows; that is not what it is about.
func isDefinition(kind string) bool {
	return kind == "create" || kind == "alter" || kind == "drop" || kind == "other"
}

var shadowSuffixes = []string{"_data", "_idx", "_content", "_docsize", "_config"}

// shadowOf returns the full-text index that a table of this name would be a
// part of.
func shadowOf(table string) (string, bool) {
	for _, suffix := range shadowSuffixes {
		if of, ok := strings.CutSuffix(table, suffix); ok {
			return of, true
		}
	}
	return "", false
}

// facts sums up what was noted. typeOf tells what a table is: "table", "view",
// "virtual", "shadow", or "" if there is none of that name.
func (n *noted) facts(typeOf func(string) (string, error)) (*wire.Facts, error) {
	f := &wire.Facts{}
	changes := func(kind string) bool { return kind == "insert" || kind == "update" || kind == "delete" }
	switch {
	case slices.ContainsFunc(n.kinds, isDefinition):
		f.Kinds = filter(n.kinds, isDefinition)
		if len(f.Kinds) > 1 { // an index is made, and then filled
			f.Kinds = filter(f.Kinds, func(kind string) bool { return kind != "other" })
		}
	case slices.ContainsFunc(n.kinds, changes):
		f.Kinds = filter(n.kinds, changes)
	case slices.Contains(n.kinds, "pragma"):
		f.Kinds = []string{"pragma"}
	default:
		f.Kinds = []string{"select"}
	}
	slices.Sort(f.Kinds)
	f.Writes = f.Kinds[0] != "select" && f.Kinds[0] != "pragma"
	for _, table := range n.tables {
		if f.Writes && strings.HasPrefix(table, "sqlite_") {
			continue
		}
		of, shadow := shadowOf(table)
		shadow = shadow && slices.Contains(n.tables, of)
		if shadow || slices.Contains(n.doubtful, table) {
			is, err := typeOf(table)
			if err != nil {
				return nil, err
			}
			if is == "" || shadow && is == "shadow" {
				continue
			}
		}
		f.Tables = append(f.Tables, table)
	}
	slices.Sort(f.Tables)
	return f, nil
}

func filter(list []string, keep func(string) bool) (kept []string) {
	for _, s := range list {
		if keep(s) {
			kept = append(kept, s)
		}
	}
	return kept
}
