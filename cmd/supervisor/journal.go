package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalHandler writes log lines for the systemd journal: each begins with its
// priority, as sd-daemon(3) has it, and has no time of its own, since the
// journal knows it. That a line is one line, whatever is in it, is the matter of
// the handler below.
type journalHandler struct {
	slog.Handler
	line *journalLine
}

// journalLine is what the handlers of one log share.
type journalLine struct {
	mu  sync.Mutex
	out io.Writer
	buf bytes.Buffer
}

func (l *journalLine) Write(p []byte) (int, error) { return l.buf.Write(p) }

// newJournalHandler makes the handler; below makes the one that formats lines
// and writes each with one Write.
func newJournalHandler(out io.Writer, below func(io.Writer) slog.Handler) slog.Handler {
	line := &journalLine{out: out}
	return &journalHandler{below(line), line}
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.buf.Reset()
	fmt.Fprintf(&h.line.buf, "<%d>", priority(r.Level))
	r.Time = time.Time{} // which leaves it out
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.line.out.Write(h.line.buf.Bytes())
	return err
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.line}
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.line}
}

// journalErrors gives each line that is written the priority of an error: what
// ended a command is told without the log.
type journalErrors struct{ out io.Writer }

func (e journalErrors) Write(p []byte) (int, error) {
	var lines bytes.Buffer
	for line := range bytes.Lines(p) {
		fmt.Fprintf(&lines, "<%d>%s", priority(slog.LevelError), line)
	}
	if _, err := e.out.Write(lines.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// isJournal reports whether standard error is the systemd journal.
func isJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return is && err == nil
}

// priority is syslog's number of a level.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
