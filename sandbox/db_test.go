package sandbox_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// db.transaction makes host calls in this order, whatever becomes of its
// callback.
func TestTransaction(t *testing.T) {
	w := newWorld(t)
	var calls []string
	fail := ""
	record := func(name string) func([]json.RawMessage) (any, *sandboxpb.Exception) {
		return func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			text := name
			for _, a := range args {
				text += " " + string(a)
			}
			calls = append(calls, text)
			if fail != "" && strings.HasPrefix(text, fail) {
				return nil, ipc.NewException("DatabaseError", "no", map[string]any{"code": "rolled_back"})
			}
			if text == `db.transaction "begin"` {
				return 7, nil
			}
			return []any{text}, nil
		}
	}
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){}
	for _, name := range []string{"db.query", "db.exec", "db.transaction"} {
		w.apis[name] = record(name)
	}
	const begin, commit, rollback = `db.transaction "begin"`, `db.transaction "commit" 7`, `db.transaction "rollback" 7`
	for name, c := range map[string]struct {
		source, fail, want string
		calls              []string
	}{
		"commits": {`() => db.transaction(async (tx) => { await tx.exec('a', [1]); return (await tx.query('b'))[0] })`, "",
			`"db.query \"b\" null 7"`, []string{begin, `db.exec "a" [1] 7`, `db.query "b" null 7`, commit}},
		"a plain function": {`() => db.transaction((tx) => 5)`, "", `5`, []string{begin, commit}},
		"throws": {`() => db.transaction(async () => { throw new RangeError('mine') }).catch((e) => e.name + ' ' + e.message)`, "",
			`"RangeError mine"`, []string{begin, rollback}},
		"a statement fails": {`() => db.transaction((tx) => tx.exec('a')).catch((e) => e.name + ' ' + e.code)`, "db.exec",
			`"DatabaseError rolled_back"`, []string{begin, `db.exec "a" null 7`, rollback}},
		"a failure is caught": {`() => db.transaction(async (tx) => { await tx.exec('a').catch(() => 0); return 1 })`, "db.exec",
			`1`, []string{begin, `db.exec "a" null 7`, commit}},
		"no beginning":    {`() => db.transaction(() => 1).catch((e) => e.name)`, begin, `"DatabaseError"`, []string{begin}},
		"no commit":       {`() => db.transaction(() => 1).catch((e) => e.name)`, commit, `"DatabaseError"`, []string{begin, commit}},
		"no rollback":     {`() => db.transaction(() => { throw 'mine' }).catch((e) => e)`, rollback, `"mine"`, []string{begin, rollback}},
		"no function":     {`() => db.transaction('x').catch((e) => e.name + ': ' + e.message)`, "", `"TypeError: db.transaction needs a function"`, nil},
		"db is redefined": {`() => { const run = db.transaction; globalThis.db = undefined; return run((tx) => tx.query('a')) }`, "", `["db.query \"a\" null 7"]`, []string{begin, `db.query "a" null 7`, commit}},
		"outside it":      {`() => db.query('a', { x: 1 })`, "", `["db.query \"a\" {\"x\":1}"]`, []string{`db.query "a" {"x":1}`}},
		"its name":        {`() => [db.transaction.name, db.query.name]`, "", `["transaction","query"]`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			calls, fail = nil, c.fail
			w.mustLoad(request(name, c.source))
			r := w.slot().invoke(name, `null`)
			if string(r.GetValue()) != c.want || !slices.Equal(calls, c.calls) {
				t.Errorf("got %s %v after %q; want %s after %q", r.GetValue(), r.GetException(), calls, c.want, c.calls)
			}
		})
	}
}
