package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

// terminal is where a command reads and writes, and how.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	// outTTY and errTTY tell whether a person's terminal is attached, which
	// must not be sent what a tenant wrote as it is.
	outTTY, errTTY bool
	color          bool   // on err, and on out if that is a terminal too
	command        string // that runs, for hints: "supervisor invoke"
	json           bool
	lines          bool // each JSON document is one line: there may be several
}

func newTerminal(in, out, errs *os.File) *terminal {
	t := &terminal{
		in: in, out: out, err: errs,
		outTTY: term.IsTerminal(int(out.Fd())), errTTY: term.IsTerminal(int(errs.Fd())),
	}
	t.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return t
}

const red, yellow, green, dim = "31", "33", "32", "2"

// paint colours s, if tty is one and colours are wanted.
func (t *terminal) paint(tty bool, code, s string) string {
	if !tty || !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// clean strips what could act on a terminal instead of being shown: control
// characters, and those that reorder text.
func clean(tty bool, s string) string {
	if !tty {
		return s
	}
	return strings.Map(func(r rune) rune {
		if plainjson.Acts(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// printf writes a line of ours to standard output.
func (t *terminal) printf(format string, args ...any) {
	fmt.Fprintf(t.out, format+"\n", args...)
}

// document writes v as the command's JSON document.
func (t *terminal) document(v any) error {
	enc := json.NewEncoder(plainjson.NewWriter(t.out))
	enc.SetEscapeHTML(false)
	if !t.lines {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return &outcome.Error{Outcome: outcome.Internal, Detail: "cannot write the result: " + err.Error(), Err: err}
	}
	return nil
}

// result shows what an invocation returned, what it logged, and its receipt if
// that is wanted.
func (t *terminal) result(r client.Result, receipt bool) error {
	if t.json {
		return t.document(r)
	}
	t.logs(r)
	_, err := fmt.Fprintln(t.out, clean(t.outTTY, string(r.Value)))
	if receipt {
		t.receipt(&r.Receipt)
	}
	return err
}

func (t *terminal) logs(r client.Result) {
	for _, l := range r.Logs {
		fmt.Fprintln(t.err, t.logLine(l))
	}
	if r.DroppedLogs > 0 {
		fmt.Fprintf(t.err, "%d more log lines were dropped\n", r.DroppedLogs)
	}
}

func (t *terminal) logLine(l client.Log) string {
	label, color := "[LOG]", dim
	switch l.Level {
	case "debug":
		label = "[DEBUG]"
	case "warn":
		label, color = "[WARN]", yellow
	case "error":
		label, color = "[ERROR]", red
	}
	return t.paint(t.errTTY, color, label) + " " + t.block(l.Message, strings.Repeat(" ", len(label)+1))
}

// block makes a text fit for standard error. Its second and further lines are
// indented, so that none can pass for one of ours.
func (t *terminal) block(s, indent string) string {
	return strings.ReplaceAll(strings.TrimRight(clean(t.errTTY, s), "\n"), "\n", "\n"+indent)
}

// failed is a failed invocation, with what is known of it.
type failed struct {
	error
	result  client.Result
	receipt bool // is to be shown
}

func (f *failed) Unwrap() error { return f.error }

// failureDocument is what --json prints when a command fails.
type failureDocument struct {
	Error  failure        `json:"error"`
	Result *client.Result `json:"invocation,omitempty"`
}

type failure struct {
	Kind      string            `json:"kind"` // as in the problem types of the HTTP API
	Detail    string            `json:"detail"`
	Remedy    string            `json:"remedy,omitempty"`
	Tenant    string            `json:"tenant,omitempty"`
	Function  string            `json:"function,omitempty"`
	Problems  []outcome.Problem `json:"problems,omitempty"`
	Exception *outcome.Thrown   `json:"exception,omitempty"`
}

// fail shows err.
func (t *terminal) fail(err error) {
	var f *failed
	errors.As(err, &f)
	if t.json {
		doc := failureDocument{Error: t.describe(err)}
		if f != nil && f.result.Invocation != "" {
			doc.Result = &f.result
		}
		_ = t.document(doc) // Nothing is left to tell it to.
		return
	}
	if f != nil {
		t.logs(f.result)
		if f.receipt && f.result.Invocation != "" {
			defer t.receipt(&f.result.Receipt)
		}
	}
	t.failure(t.describe(err))
}

// failure shows what is known of an error.
func (t *terminal) failure(d failure) {
	where := d.Tenant
	if d.Function != "" {
		where += "/" + d.Function
	}
	if where != "" {
		where += ": "
	}
	fmt.Fprintf(t.err, "%s %s\n", t.paint(t.errTTY, red, "error:"), t.block(where+d.Detail, "  "))
	for _, p := range d.Problems {
		t.problem("", p)
	}
	t.thrown(d.Exception, d.Detail)
	if d.Remedy != "" {
		fmt.Fprintf(t.err, "  %s %s\n", t.paint(t.errTTY, green, "->"), t.block(d.Remedy, "     "))
	}
}

// problem shows a fault, with the source line that it is in.
func (t *terminal) problem(label string, p outcome.Problem) {
	fmt.Fprintf(t.err, "  %s%s\n", label, t.block(p.String(), "    "))
	if p.Excerpt == "" {
		return
	}
	line := strings.ReplaceAll(p.Excerpt, "\t", " ")
	shown := strings.TrimLeft(line, " ")
	fmt.Fprintf(t.err, "    %s\n", t.block(shown, "    "))
	if at := p.Column - 1 - (len(line) - len(shown)); at >= 0 {
		fmt.Fprintf(t.err, "    %s%s\n", strings.Repeat(" ", at), t.paint(t.errTTY, red, "^"))
	}
}

// notef writes a line of ours beside the result.
func (t *terminal) notef(format string, args ...any) {
	fmt.Fprintln(t.err, t.paint(t.errTTY, dim, t.block(fmt.Sprintf(format, args...), "")))
}

// thrown shows an exception whose first line may have been said already.
func (t *terminal) thrown(e *outcome.Thrown, said string) { t.chain("", e, said) }

// chain shows an exception, the errors that it stands for, and its causes.
func (t *terminal) chain(label string, e *outcome.Thrown, said string) {
	for ; e != nil; e = e.Cause {
		if label != "" || !strings.Contains(said, e.String()) {
			fmt.Fprintf(t.err, "  %s%s\n", label, t.block(e.String(), "    "))
		}
		for line := range strings.Lines(e.Stack) {
			fmt.Fprintf(t.err, "    %s\n", t.paint(t.errTTY, dim, clean(t.errTTY, strings.TrimSpace(line))))
		}
		for _, inner := range e.Errors {
			t.chain("one of them: ", inner, "")
		}
		label = "caused by "
	}
}

// describe reads what an error tells.
func describe(err error) failure {
	var u *usageError
	if errors.As(err, &u) {
		return failure{Kind: outcome.Invalid.Problem(), Detail: u.message, Remedy: u.hint}
	}
	var e *outcome.Error
	if !errors.As(err, &e) {
		return failure{Kind: outcome.Of(err).Problem(), Detail: err.Error()}
	}
	f := failure{
		Kind: e.Outcome.Problem(), Detail: e.Detail, Remedy: e.Remedy, Tenant: e.Tenant, Function: e.Function,
		Problems: e.Problems, Exception: e.Exception,
	}
	if f.Detail == "" && e.Exception != nil {
		f.Detail = e.Exception.String()
	}
	if f.Detail == "" {
		f.Detail = e.Outcome.Title()
	}
	// Here the cause is for the operator's eyes.
	if e.Outcome == outcome.Internal && e.Err != nil && !strings.Contains(f.Detail, e.Err.Error()) {
		f.Detail += ": " + e.Err.Error()
	}
	return f
}
