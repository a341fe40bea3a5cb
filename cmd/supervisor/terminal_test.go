package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

const hostile = "a\x1b[31mb\r\x07\u009b2J\u202ec\n[LOG] forged"

func TestTenantTextCannotActOnATerminal(t *testing.T) {
	var out, errs bytes.Buffer
	term := &terminal{out: &out, err: &errs, outTTY: true, errTTY: true}
	thrown := &outcome.Thrown{Name: hostile, Message: hostile, Stack: hostile, Cause: &outcome.Thrown{Name: hostile}}
	result := client.Result{Receipt: client.Receipt{Invocation: "i", ColdCause: hostile, Calls: []client.CallTotals{{API: hostile}}}, Value: []byte(`"` + hostile + `"`), Logs: []client.Log{{Level: "error", Message: hostile}}}
	if err := term.result(result, true); err != nil {
		t.Fatal(err)
	}
	term.fail(&failed{&outcome.Error{
		Outcome: outcome.Exception, Tenant: "t", Function: "f", Detail: hostile, Remedy: hostile, Exception: thrown,
		Problems: []outcome.Problem{{Field: hostile, Reason: hostile}},
	}, result, true})
	both := out.String() + errs.String()
	if strings.ContainsAny(both, "\x1b\r\x07\u009b\u202e") {
		t.Errorf("got through: %q", both)
	}
	if strings.Contains(errs.String(), "\n[LOG] forged") {
		t.Errorf("a forged log line: %q", errs.String())
	}

	// A file or a pipe gets what the tenant wrote.
	out.Reset()
	if err := (&terminal{out: &out, err: &errs}).result(result, false); err != nil || !strings.Contains(out.String(), hostile) {
		t.Errorf("%q %v", out.String(), err)
	}
}

// A document may be shown on a terminal, too: nothing in it acts, and nothing in
// it is lost.
func TestTenantTextInDocuments(t *testing.T) {
	var out bytes.Buffer
	term := &terminal{out: &out, err: &out, json: true}
	result := client.Result{Receipt: client.Receipt{Invocation: "i", ColdCause: hostile, Calls: []client.CallTotals{{API: hostile}}}, Value: []byte(`"a"`), Logs: []client.Log{{Level: "error", Message: hostile}}}
	if err := term.result(result, true); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r\x07\u009b\u202e") {
		t.Errorf("got through: %q", out.String())
	}
	var back client.Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Logs[0].Message != hostile {
		t.Errorf("came back as %q, %v", back.Logs, err)
	}
}

// What the audit command prints of an entry is one line, whoever chose what is
// in it.
func TestAuditLineOfTenantText(t *testing.T) {
	entry, err := json.Marshal(map[string]any{
		"tenant": "acme", "function": "f", "api": "kv.get", "action": "deny", "policy": "data", "rule": "default", "error": hostile,
		"attributes": map[string]any{"key": hostile, "host": hostile, "path": hostile, "name": hostile, "tables": []string{hostile}},
	})
	if err != nil {
		t.Fatal(err)
	}
	line, err := auditLine(entry)
	if err != nil || strings.ContainsFunc(line, plainjson.Acts) || !strings.Contains(line, "acme/f  kv.get") {
		t.Errorf("printed %q, %v", line, err)
	}
	if _, err := auditLine([]byte(hostile)); err == nil {
		t.Error("an entry that is none was printed")
	}
}

func TestFailure(t *testing.T) {
	var errs bytes.Buffer
	term := &terminal{out: &errs, err: &errs}
	term.fail(&failed{&outcome.Error{
		Outcome: outcome.Exception, Tenant: "acme", Function: "f", Remedy: "mend it",
		Exception: &outcome.Thrown{Name: "TypeError", Message: "no", Stack: "    at f (f.js:1:2)\n", Cause: &outcome.Thrown{Name: "Error", Message: "root", Stack: "at g (f.js:3:4)"}},
	}, client.Result{DroppedLogs: 2}, false})
	want := `2 more log lines were dropped
error: acme/f: TypeError: no
    at f (f.js:1:2)
  caused by Error: root
    at g (f.js:3:4)
  -> mend it
`
	if errs.String() != want {
		t.Errorf("got\n%s\nwant\n%s", errs.String(), want)
	}
	errs.Reset()
	term.fail(&outcome.Error{Outcome: outcome.Internal, Detail: "it broke", Err: errors.New("disk full")})
	if !strings.HasPrefix(errs.String(), "error: it broke: disk full\n  -> try again") {
		t.Errorf("%q", errs.String())
	}
	errs.Reset()
	term.color, term.errTTY = true, true
	term.fail(usagef("wrong"))
	if errs.String() != "\x1b[31merror:\x1b[0m wrong\n  \x1b[32m->\x1b[0m see supervisor --help\n" {
		t.Errorf("%q", errs.String())
	}
}
