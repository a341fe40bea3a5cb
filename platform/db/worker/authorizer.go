package worker

import (
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// authorizer decides, while a statement is compiled, what it may do, and
// notes what it is about to do.
type authorizer struct {
	noted
	// denied says in a few words what was refused last.
	denied string
	// slow counts the uses of slowFunctions.
	slow int
	// own lets our own statements pass, unnoted.
	own bool
	// held, while a statement runs, is what it may do. What it would do beyond
	// is refused, and its tables are put into beyond.
	held   *wire.Facts
	beyond []string
	// shadows are the tables that belong to full-text indexes, once known.
	shadows map[string]bool
}

// compile prepares for the compiling of a statement.
func (a *authorizer) compile() {
	*a = authorizer{shadows: a.shadows}
}

// hold prepares for a statement's run within facts.
func (a *authorizer) hold(facts *wire.Facts) {
	a.compile()
	a.held = facts
}

// readPragmas only tell something. An argument, if any, is a table's name.
var readPragmas = []string{
	"collation_list", "compile_options", "data_version", "foreign_key_check", "foreign_key_list",
	"freelist_count", "function_list", "index_info", "index_list", "index_xinfo",
	"page_count", "table_info", "table_list", "table_xinfo",
}

// readOnlyPragmas tell something, and change it when given an argument.
var readOnlyPragmas = []string{
	"application_id", "encoding", "foreign_keys", "journal_mode", "max_page_count",
	"page_size", "recursive_triggers", "schema_version", "user_version",
}

var refusedFunctions = []string{"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "sqlite_offset"}

// slowFunctions take time that grows with the product of their arguments'
// sizes, half a second at most. SQLite does not look for an interrupt while it
// goes through one row's expressions, so one statement may not have many.
var slowFunctions = []string{"instr", "replace", "json_patch", "jsonb_patch"}

const maxSlow = 16

func (a *authorizer) decide(action sqlite.AuthorizerActionCode, arg1, arg2, schema, _ string) sqlite.AuthorizerReturnCode {
	if a.own {
		return sqlite.AuthorizerOK
	}
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRecursive:
		return a.does("select", "")
	case sqlite.AuthRead:
		if arg2 == "" || eponymous(arg1) {
			a.doubt(arg1)
		}
		return a.does("select", arg1)
	case sqlite.AuthInsert:
		return a.does("insert", arg1)
	case sqlite.AuthUpdate:
		return a.does("update", arg1)
	case sqlite.AuthDelete:
		return a.does("delete", arg1)
	case sqlite.AuthCreateTable, sqlite.AuthCreateView:
		if strings.HasPrefix(arg1, "sqlite_") { // for the statistics of ANALYZE
			return a.does("other", "")
		}
		return a.does("create", arg1)
	case sqlite.AuthCreateIndex, sqlite.AuthCreateTrigger:
		return a.does("create", arg2)
	case sqlite.AuthCreateVTable:
		if !strings.EqualFold(arg2, "fts5") {
			return a.deny("the virtual table module " + arg2 + " is not supported; fts5 is")
		}
		return a.does("create", arg1)
	case sqlite.AuthDropTable, sqlite.AuthDropView, sqlite.AuthDropVTable:
		return a.does("drop", arg1)
	case sqlite.AuthDropIndex, sqlite.AuthDropTrigger:
		return a.does("drop", arg2)
	case sqlite.AuthAlterTable:
		return a.does("alter", arg2)
	case sqlite.AuthAnalyze:
		return a.does("other", arg1)
	case sqlite.AuthReindex:
		return a.does("other", "")
	case sqlite.AuthFunction:
		return a.function(strings.ToLower(arg2))
	case sqlite.AuthPragma:
		return a.pragma(strings.ToLower(arg1), arg2)
	case sqlite.AuthTransaction:
		return a.deny(arg1 + " is not supported: use db.transaction or db.batch")
	case sqlite.AuthSavepoint:
		return a.deny("SAVEPOINT is not supported: use db.transaction or db.batch")
	case sqlite.AuthAttach, sqlite.AuthDetach:
		return a.deny("ATTACH and DETACH, and VACUUM, are not supported")
	case sqlite.AuthCreateTempTable, sqlite.AuthCreateTempIndex, sqlite.AuthCreateTempView, sqlite.AuthCreateTempTrigger,
		sqlite.AuthDropTempTable, sqlite.AuthDropTempIndex, sqlite.AuthDropTempView, sqlite.AuthDropTempTrigger:
		return a.deny("temporary tables, views, indexes and triggers are not supported")
	}
	return a.deny("this statement is not supported")
}

// does notes one thing that a statement does, or holds it to what it may do.
func (a *authorizer) does(kind, table string) sqlite.AuthorizerReturnCode {
	table = strings.ToLower(table)
	if a.held == nil {
		a.note(kind, table)
		return sqlite.AuthorizerOK
	}
	if a.mayDo(kind) && (table == "" || strings.HasPrefix(table, "sqlite_") || slices.Contains(a.held.Tables, table) || a.shadow(table)) {
		return sqlite.AuthorizerOK
	}
	a.note(kind, table)
	a.beyond = append(a.beyond, table)
	return sqlite.AuthorizerDeny
}

// mayDo says whether what runs may do that. Reading is part of everything, and
// changing rows is part of changing the schema.
func (a *authorizer) mayDo(kind string) bool {
	switch kind {
	case "select":
		return true
	case "insert", "update", "delete":
		return slices.Contains(a.held.Kinds, kind) || a.defines()
	}
	return slices.Contains(a.held.Kinds, kind) || kind == "other" && a.defines()
}

func (a *authorizer) defines() bool {
	return slices.ContainsFunc(a.held.Kinds, isDefinition)
}

// shadow says whether a table is known to be part of a full-text index that
// the statement may use.
func (a *authorizer) shadow(table string) bool {
	of, ok := shadowOf(table)
	return ok && slices.Contains(a.held.Tables, of) && (a.defines() || a.shadows[table])
}

func (a *authorizer) function(name string) sqlite.AuthorizerReturnCode {
	if slices.Contains(refusedFunctions, name) {
		return a.deny("the function " + name + " is not supported")
	}
	if slices.Contains(slowFunctions, name) {
		if a.slow++; a.slow > maxSlow {
			return a.deny(fmt.Sprintf("a statement may use %s at most %d times in all", strings.Join(slowFunctions, ", "), maxSlow))
		}
	}
	return sqlite.AuthorizerOK
}

func (a *authorizer) pragma(name, argument string) sqlite.AuthorizerReturnCode {
	switch {
	case slices.Contains(readPragmas, name):
		if a.held == nil {
			a.doubt(argument)
			return a.does("pragma", argument)
		}
		return sqlite.AuthorizerOK // of a table-valued function, which names its table when it runs
	case argument == "" && slices.Contains(readOnlyPragmas, name):
		if a.held == nil {
			return a.does("pragma", "")
		}
		return sqlite.AuthorizerOK
	case slices.Contains(readOnlyPragmas, name):
		return a.deny("PRAGMA " + name + " can only be read")
	}
	return a.deny("PRAGMA " + name + " is not supported")
}

func (a *authorizer) deny(reason string) sqlite.AuthorizerReturnCode {
	if a.denied == "" {
		a.denied = reason
	}
	return sqlite.AuthorizerDeny
}
