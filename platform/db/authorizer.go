package db

import (
	"fmt"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// authorizer decides, while a statement is compiled, what it may do, and
// notes what it is about to do.
type authorizer struct {
	// denied says in a few words what was refused last.
	denied string
	// changes: it inserts, updates or deletes rows; inserts: it inserts some;
	// defines: it changes the schema, or what is derived from the data.
	changes, inserts, defines bool
	// slow counts the uses of slowFunctions.
	slow int
	// own lets our BEGIN, COMMIT and ROLLBACK pass.
	own bool
}

func (a *authorizer) reset() { *a = authorizer{} }

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
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRead, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthInsert, sqlite.AuthUpdate, sqlite.AuthDelete:
		a.changes = true
		a.inserts = a.inserts || action == sqlite.AuthInsert
		return sqlite.AuthorizerOK
	case sqlite.AuthCreateTable, sqlite.AuthCreateIndex, sqlite.AuthCreateView, sqlite.AuthCreateTrigger,
		sqlite.AuthDropTable, sqlite.AuthDropIndex, sqlite.AuthDropView, sqlite.AuthDropTrigger,
		sqlite.AuthDropVTable, sqlite.AuthAlterTable, sqlite.AuthAnalyze, sqlite.AuthReindex:
		a.defines = true
		return sqlite.AuthorizerOK
	case sqlite.AuthCreateVTable:
		a.defines = true
		if strings.EqualFold(arg2, "fts5") {
			return sqlite.AuthorizerOK
		}
		return a.deny("the virtual table module " + arg2 + " is not supported; fts5 is")
	case sqlite.AuthFunction:
		return a.function(strings.ToLower(arg2))
	case sqlite.AuthPragma:
		name := strings.ToLower(arg1)
		if slices.Contains(readPragmas, name) || arg2 == "" && slices.Contains(readOnlyPragmas, name) {
			return sqlite.AuthorizerOK
		}
		if slices.Contains(readOnlyPragmas, name) {
			return a.deny("PRAGMA " + name + " can only be read")
		}
		return a.deny("PRAGMA " + name + " is not supported")
	case sqlite.AuthTransaction:
		if a.own {
			return sqlite.AuthorizerOK
		}
		return a.deny(arg1 + " is not supported: every statement is a transaction of its own")
	case sqlite.AuthSavepoint:
		return a.deny("SAVEPOINT is not supported: every statement is a transaction of its own")
	case sqlite.AuthAttach, sqlite.AuthDetach:
		return a.deny("ATTACH and DETACH, and VACUUM, are not supported")
	case sqlite.AuthCreateTempTable, sqlite.AuthCreateTempIndex, sqlite.AuthCreateTempView, sqlite.AuthCreateTempTrigger,
		sqlite.AuthDropTempTable, sqlite.AuthDropTempIndex, sqlite.AuthDropTempView, sqlite.AuthDropTempTrigger:
		return a.deny("temporary tables, views, indexes and triggers are not supported")
	}
	return a.deny("this statement is not supported")
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

func (a *authorizer) deny(reason string) sqlite.AuthorizerReturnCode {
	if a.denied == "" {
		a.denied = reason
	}
	return sqlite.AuthorizerDeny
}
