package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// devOutput shows what happens: on standard output for people or, with --json,
// as lines of JSON.
type devOutput struct {
	t  *terminal
	d  *devServer
	mu sync.Mutex
}

// devEvent is one line of JSON.
type devEvent struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"` // ready, reloaded, removed, failed, log, verdict, invocation or warning
	Function string    `json:"function,omitempty"`

	URL        string          `json:"url,omitempty"`
	HTTP       string          `json:"functions_url,omitempty"` // where functions answer HTTP requests
	Functions  []string        `json:"functions,omitempty"`
	Version    string          `json:"version,omitempty"`
	MS         float64         `json:"ms,omitempty"`
	Error      *failure        `json:"error,omitempty"`
	Invocation string          `json:"invocation,omitempty"`
	Level      string          `json:"level,omitempty"`
	Message    string          `json:"message,omitempty"`
	Verdict    json.RawMessage `json:"verdict,omitempty"`
	Remedy     string          `json:"remedy,omitempty"`
	Receipt    *client.Receipt `json:"receipt,omitempty"` // of an invocation
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// show writes an event: as a line of JSON, or by text.
func (o *devOutput) show(e devEvent, text func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.t.json {
		text()
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	line, err := json.Marshal(e)
	if err == nil {
		fmt.Fprintf(o.t.out, "%s\n", plainjson.Escape(line))
	}
}

// line writes a line for people, with the time.
func (o *devOutput) line(format string, args ...any) {
	fmt.Fprintf(o.t.out, "%s  %s\n", o.t.paint(o.t.outTTY, dim, time.Now().Format("15:04:05.000")), fmt.Sprintf(format, args...))
}

const devIndent = "              "

// more writes a line that belongs to the one before.
func (o *devOutput) more(format string, args ...any) {
	fmt.Fprintf(o.t.out, "%s%s\n", devIndent, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+devIndent))
}

// name is a function's name as it is shown.
func (o *devOutput) name(function string) string {
	width := 0
	for _, n := range o.d.p.names() {
		width = max(width, min(len(n), 24))
	}
	return fmt.Sprintf("%-*s", width, function)
}

func (o *devOutput) ready(url, functions string, p *projectDir) {
	names := p.names()
	o.show(devEvent{Type: "ready", URL: url, HTTP: functions, Functions: names}, func() {
		t := o.t
		fmt.Fprintf(t.out, "\n%s, data in %s\n", t.paint(t.outTTY, green, "listening on "+url), filepath.Join(o.d.dir, devFolder))
		for _, name := range names {
			fmt.Fprintf(t.out, "  curl -X POST %s/v1/tenants/%s/functions/%s/invoke -d '{}'\n", url, localTenant, name)
			fmt.Fprintf(t.out, "  %s/%s/%s/\n", functions, localTenant, name)
		}
		if len(names) == 0 {
			fmt.Fprintf(t.out, "  there are no functions yet: save one here as NAME.js or NAME.ts, or run supervisor init\n")
		}
		fmt.Fprintf(t.out, "%s\n\n", t.paint(t.outTTY, dim, "saving a file reloads it; Ctrl-C ends"))
	})
}

func (o *devOutput) reloaded(name, version string, first bool, took time.Duration, warnings []bundle.Message) {
	o.show(devEvent{Type: "reloaded", Function: name, Version: version, MS: millis(took)}, func() {
		word := "reloaded"
		if first {
			word = "loaded"
		}
		o.line("%s  %s %s in %.0f ms", o.name(name), o.t.paint(o.t.outTTY, green, "✓"), word, millis(took))
		for _, w := range warnings {
			o.more("%s %s", o.t.paint(o.t.outTTY, yellow, "warning:"), clean(o.t.outTTY, w.String()))
			o.frame(w.File, w.Line, w.Column, w.Excerpt)
		}
	})
}

func (o *devOutput) removed(name string) {
	o.show(devEvent{Type: "removed", Function: name}, func() { o.line("%s  is gone", o.name(name)) })
}

// failed tells why a function was not reloaded.
func (o *devOutput) failed(name string, f *devFunction, err error) {
	var wrong *bundle.Error
	if errors.As(err, &wrong) {
		err = &outcome.Error{Outcome: outcome.Invalid, Detail: "it cannot be made a function", Problems: bundleProblems(wrong.Messages)}
	}
	about := describe(err)
	o.show(devEvent{Type: "failed", Function: name, Version: f.version, Error: &about}, func() {
		o.line("%s  %s %s", o.name(name), o.t.paint(o.t.outTTY, red, "✗"), clean(o.t.outTTY, about.Detail))
		o.details(name, about)
		if f.version != "" {
			o.more("%s", o.t.paint(o.t.outTTY, dim, "the version before is still served"))
		}
	})
}

// problem tells what is wrong with the project.
func (o *devOutput) problem(err error) {
	about := describe(err)
	o.show(devEvent{Type: "failed", Error: &about}, func() {
		o.line("%s %s", o.t.paint(o.t.outTTY, red, "✗"), clean(o.t.outTTY, about.Detail))
		o.details("", about)
		o.more("%s", o.t.paint(o.t.outTTY, dim, "what was before still holds"))
	})
}

func (o *devOutput) warn(function, message string) {
	o.show(devEvent{Type: "warning", Function: function, Message: message}, func() {
		if function != "" {
			message = o.name(function) + "  " + message
		}
		o.line("%s %s", o.t.paint(o.t.outTTY, yellow, "warning:"), clean(o.t.outTTY, message))
	})
}

// watch shows what happens in an invocation.
func (o *devOutput) watch(_, function, invocation string) supervisor.Watch {
	return supervisor.Watch{
		Log:     func(l supervisor.Log) { o.logged(function, invocation, l) },
		Verdict: o.decided,
		Ended:   o.ended,
	}
}

// logged shows a line of a function's log.
func (o *devOutput) logged(function, invocation string, l supervisor.Log) {
	level := strings.ToLower(l.Level.String())
	o.show(devEvent{Type: "log", Time: l.Time, Function: function, Invocation: invocation, Level: level, Message: l.Message}, func() {
		color := dim
		switch level {
		case "warn":
			color = yellow
		case "error":
			color = red
		}
		text := strings.TrimRight(clean(o.t.outTTY, l.Message), "\n")
		o.line("%s  %s %s", o.name(function), o.t.paint(o.t.outTTY, color, fmt.Sprintf("%-5s", level)), strings.ReplaceAll(text, "\n", "\n"+devIndent+"  "))
	})
}

// decided shows a host call that was not let through, and how it would be.
func (o *devOutput) decided(entry []byte) {
	var e auditEntry
	if json.Unmarshal(entry, &e) != nil || e.Action == "allow" || e.Action == "audit" {
		return
	}
	remedy := o.remedy(&e)
	o.show(devEvent{Type: "verdict", Function: e.Function, Verdict: entry, Remedy: remedy}, func() {
		rule := e.Policy + " " + e.Rule
		if e.Place != "" {
			rule += " at " + e.Place
		}
		o.line("%s  %s %s %s  (policy %s)", o.name(e.Function), o.t.paint(o.t.outTTY, red, e.Action), e.API, e.what(), rule)
		if e.Reason != "" {
			o.more("%s", clean(o.t.outTTY, e.Reason))
		}
		o.more("%s %s", o.t.paint(o.t.outTTY, green, "->"), remedy)
	})
}

// remedy says how a call would be allowed.
func (o *devOutput) remedy(e *auditEntry) string {
	if e.Action == "quota" {
		return fmt.Sprintf("raise the quota of %s, or make fewer calls", orText(e.Place, "the rule"))
	}
	explain := fmt.Sprintf("to see which rule decides: supervisor policy explain %s %s", orText(placeFile(e.Place), e.Policy), strings.TrimSpace(e.API+" "+e.what()))
	for _, preset := range []string{"data", "webhook"} {
		if e.Rule == "default" && e.Policy == "compute" && allowedBy(preset, e.API) {
			return fmt.Sprintf("write `policy: %s` into %s, or run dev with --policy %[1]s; %[3]s", preset, projectName, explain)
		}
	}
	return fmt.Sprintf("add a rule {api: %s, action: allow} to the policy; %s", e.API, explain)
}

// ended shows what an invocation came to, and warns of limits that are near.
func (o *devOutput) ended(e supervisor.Ended) {
	receipt := receiptOf(&e.Result.Receipt)
	event := devEvent{Type: "invocation", Function: e.Function, Version: receipt.Version, Invocation: receipt.Invocation, MS: receipt.DurationMS, Receipt: &receipt}
	var about failure
	if e.Err != nil {
		about = describe(e.Err)
		event.Error = &about
	}
	o.show(event, func() {
		mark := o.t.paint(o.t.outTTY, green, receipt.Outcome)
		if e.Err != nil {
			mark = o.t.paint(o.t.outTTY, red, receipt.Outcome)
		}
		o.line("%s  %s  %s", o.name(e.Function), mark, o.t.paint(o.t.outTTY, dim, receiptText(e)))
		if e.Err != nil {
			o.more("%s", clean(o.t.outTTY, about.Detail))
			o.details(e.Function, about)
		}
	})
	for _, w := range o.near(e) {
		o.warn(e.Function, w)
	}
}

// receiptText is an invocation's use of things, in short.
func receiptText(e supervisor.Ended) string {
	parts := []string{fmt.Sprintf("%.1f ms", millis(e.Result.Duration)), fmt.Sprintf("cpu %.1f ms", millis(e.Result.CPU))}
	if e.Memory > 0 {
		parts = append(parts, humanize.IBytes(uint64(e.Memory)))
	}
	if e.Calls == 1 {
		parts = append(parts, "1 call")
	} else if e.Calls > 0 {
		parts = append(parts, fmt.Sprintf("%d calls", e.Calls))
	}
	if e.Denied > 0 {
		parts = append(parts, fmt.Sprintf("%d denied", e.Denied))
	}
	if e.Result.Cold {
		parts = append(parts, "cold")
	}
	return strings.Join(append(parts, e.Result.Invocation), "  ")
}

// near names the limits of which an invocation used more than 80 %.
func (o *devOutput) near(e supervisor.Ended) (warnings []string) {
	f, err := o.d.Function(e.Tenant, e.Function)
	if err != nil {
		return nil
	}
	add := func(ended outcome.Outcome, used, limit float64, what, shownUsed, shownLimit string) {
		if limit > 0 && used > 0.8*limit && outcome.Of(e.Err) != ended {
			warnings = append(warnings, fmt.Sprintf("it used %s of its %s of %s (%.0f %%)", shownUsed, shownLimit, what, 100*used/limit))
		}
	}
	add(outcome.Memory, float64(e.Memory), float64(f.Memory), "memory", humanize.IBytes(uint64(e.Memory)), humanize.IBytes(uint64(f.Memory)))
	add(outcome.Deadline, float64(e.Ran), float64(f.Timeout), "timeout", e.Ran.Round(time.Millisecond).String(), f.Timeout.String())
	add(outcome.CPU, float64(e.Result.CPU), float64(f.CPU), "CPU time", e.Result.CPU.Round(time.Millisecond).String(), f.CPU.String())
	add(outcome.NotFound, float64(e.Calls), supervisor.MaxCalls, "host calls", fmt.Sprint(e.Calls), fmt.Sprint(supervisor.MaxCalls))
	return warnings
}
