package child

import (
	"bufio"
	"context"
	"io"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/time/rate"
)

const (
	// tailSize is how much of a process's standard error is kept, in bytes.
	tailSize = 8 << 10
	// bytesPerSecond of it are read: a process that writes more has to wait.
	bytesPerSecond = 256 << 10
	// maxLine is how much of one line Options.Line gets, in bytes.
	maxLine = 1 << 10
)

// listen reads r to its end, at this pace.
func listen(r io.Reader, pace *rate.Limiter, t *tail, line func(string)) {
	r = io.TeeReader(&paced{r, pace}, t)
	if line == nil {
		_, _ = io.Copy(io.Discard, r)
		return
	}
	in := bufio.NewReaderSize(r, maxLine)
	for continued := false; ; {
		text, err := in.ReadSlice('\n')
		if s := Printable(string(text)); s != "" && !continued {
			line(s)
		}
		if continued = err == bufio.ErrBufferFull; err != nil && !continued {
			return
		}
	}
}

// paced reads at a bounded pace.
type paced struct {
	r    io.Reader
	pace *rate.Limiter
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.r.Read(b[:min(len(b), 4<<10)])
	_ = p.pace.WaitN(context.Background(), n)
	return n, err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	last []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, b...)
	if over := len(t.last) - tailSize; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Printable(string(t.last))
}

// Printable makes what a process wrote fit for one line of log.
func Printable(s string) string {
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
