package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/fanout"
	"github.com/bulkhead-run/bulkhead/internal/journal"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// LogFilter chooses lines of functions' logs.
type LogFilter struct {
	// Tenant and Function choose whose; empty chooses all. A Function needs a
	// Tenant.
	Tenant, Function string
	// Level is the least that is shown.
	Level slog.Level
	// Outcome chooses the lines that tell that an invocation ended so, like
	// "deadline", or, as "failed", that it failed in any way; "" chooses all lines.
	Outcome string
	// Since leaves out the older ones of the past, Tail all but the last so
	// many; negative shows all that is kept.
	Since time.Time
	Tail  int
	// Grep, if not nil, has to match the message.
	Grep *regexp.Regexp
	// Follow goes on with the lines that come.
	Follow bool
}

// Logs calls line with what functions logged, and with how their invocations
// failed, as far as f chooses it: a JSON object with a newline behind it, the
// oldest first. Of the past it knows the last 1,000 lines, or 256 KiB, of each
// function, and 32 MiB in all, since the supervisor's start. begun, if not nil,
// is called before the first line, when nothing speaks against f any more.
//
// Logs returns when it has told all, or, when f follows, when ctx or the
// supervisor ends; and line's error when it has one. A line that is slow
// misses some; an object with the member lost says how many. The error's
// outcome is NotFound when there is no such tenant or function, and Overloaded
// when too many follow.
func (s *Supervisor) Logs(ctx context.Context, f LogFilter, begun func(), line func([]byte) error) error {
	if f.Tenant != "" {
		if _, err := s.Tenant(f.Tenant); err != nil {
			return err
		}
	}
	if f.Function != "" {
		if _, err := s.Function(f.Tenant, f.Function); err != nil {
			return err
		}
	}
	err := s.journal.Read(ctx, journal.Filter(f), begun, func(e *journal.Entry) error {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode a line: %w", err)
		}
		return line(append(plainjson.Escape(text), '\n'))
	})
	if errors.Is(err, fanout.ErrTooMany) {
		return overloaded(f.Tenant, f.Function, err.Error(), retryAfter)
	}
	return err
}

// entry begins a line of the journal.
func (inv *invocation) entry(at time.Time, level slog.Level, message string) *journal.Entry {
	version := ""
	if v := inv.runs.Load(); v != nil {
		version = v.Version
	}
	return &journal.Entry{
		Time: at, Tenant: inv.tenant, Function: inv.function, Version: version, Invocation: inv.id, Trace: inv.trace,
		Level: journal.LevelName(level), Message: message,
	}
}

// publish tells a line to the journal.
func (inv *invocation) publish(l Log) {
	if inv.found {
		inv.s.journal.Add(inv.entry(l.Time, l.Level, inv.sources.text(l.Message)))
	}
}

// obituary tells the journal how an invocation failed.
func (inv *invocation) obituary(err error, dropped int) {
	var e *outcome.Error
	if !inv.found || !errors.As(err, &e) || e.Outcome == outcome.NotFound {
		return
	}
	level := slog.LevelError
	if e.Outcome == outcome.Canceled {
		level = slog.LevelInfo // its caller's doing
	}
	entry := inv.entry(time.Now(), level, ipc.Clip(failureText(e, dropped), ipc.MaxLogMessage))
	entry.Outcome = e.Outcome.String()
	inv.s.journal.Add(entry)
}

// failureText is what a developer wants to know of a failure.
func failureText(e *outcome.Error, dropped int) string {
	var b strings.Builder
	b.WriteString(e.Outcome.Title())
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	label := "\n"
	for x := e.Exception; x != nil; x = x.Cause {
		b.WriteString(label + x.String())
		for line := range strings.Lines(x.Stack) {
			b.WriteString("\n    " + strings.TrimSpace(line))
		}
		label = "\ncaused by "
	}
	for _, p := range e.Problems {
		b.WriteString("\n" + p.String())
	}
	if e.Remedy != "" {
		b.WriteString("\n-> " + e.Remedy)
	}
	if dropped > 0 {
		fmt.Fprintf(&b, "\n(%d of its log lines were over the limit of one invocation and dropped)", dropped)
	}
	return b.String()
}
