package plugins

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/time/rate"
)

const (
	// maxLine is how much of one line is logged, in bytes.
	maxLine = 1 << 10
	// linesPerSecond of a plugin are logged, after the first lineBurst.
	linesPerSecond, lineBurst = 10, 100
	// bytesPerSecond are read at all: a plugin that writes more has to wait.
	bytesPerSecond = 256 << 10
	// tailLines are kept to explain a failed start.
	tailLines = 8
)

// output takes what a plugin writes to its standard error to our log.
type output struct {
	log *slog.Logger

	mu   sync.Mutex
	last []string
}

func newOutput(log *slog.Logger) *output { return &output{log: log} }

// read reads r to its end.
func (o *output) read(r io.Reader) {
	in := bufio.NewReaderSize(r, maxLine)
	lines := rate.NewLimiter(linesPerSecond, lineBurst)
	volume := rate.NewLimiter(bytesPerSecond, bytesPerSecond)
	dropped := 0
	for continued := false; ; {
		text, err := in.ReadSlice('\n')
		_ = volume.WaitN(context.Background(), len(text))
		whole := err != bufio.ErrBufferFull
		if line := printable(string(text)); line != "" && !continued {
			o.keep(line)
			if lines.Allow() {
				if dropped > 0 {
					o.log.Info("a plugin writes too much: some of it was dropped", "lines", dropped)
					dropped = 0
				}
				o.log.Info("a plugin says", "line", line)
			} else {
				dropped++
			}
		}
		continued = !whole
		if err != nil && whole {
			return
		}
	}
}

func (o *output) keep(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.last = append(o.last, line); len(o.last) > tailLines {
		o.last = o.last[1:]
	}
}

// tail returns the last lines, as one.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.last, " ")
}

// printable makes what a plugin wrote fit for a line of log.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s))
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
