package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows what is under way in lines at the bottom of a terminal, which
// are drawn again and again. Without a terminal it shows nothing.
type progress struct {
	t     *terminal
	live  bool
	done  chan struct{} // nil when it does not draw
	drawn sync.WaitGroup

	mu    sync.Mutex // guards what follows, and what is written meanwhile
	tasks []*task
	lines int // on the screen
}

// progressEvery is how often it draws; what is quicker is never seen.
const progressEvery = 120 * time.Millisecond

// progress begins to show what is under way. The caller closes it.
func (t *terminal) progress() *progress {
	p := &progress{t: t, live: t.errTTY && !t.json && os.Getenv("TERM") != "dumb"}
	if p.live {
		p.done = make(chan struct{})
		p.drawn.Go(p.run)
	}
	return p
}

func (p *progress) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			p.mu.Lock()
			p.erase()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// close takes the lines away.
func (p *progress) close() {
	if p.done == nil {
		return
	}
	close(p.done)
	p.drawn.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// print writes what stays, above the lines.
func (p *progress) print(out, errs []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	_, _ = p.t.out.Write(out) // as everywhere, who does not read misses it
	_, _ = p.t.err.Write(errs)
}

func (p *progress) erase() {
	if p.lines > 0 {
		fmt.Fprintf(p.t.err, "\x1b[%dA%s", p.lines, clearRest)
		p.lines = 0
	}
}

func (p *progress) draw() {
	width := 80
	if f, ok := p.t.err.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	var b bytes.Buffer
	for _, s := range p.tasks {
		b.WriteString(p.t.paint(true, dim, cut(s.line(), width-1)) + "\n")
	}
	p.lines = len(p.tasks)
	_, _ = p.t.err.Write(b.Bytes())
}

// task is one thing that is under way. Its methods may be called from any
// goroutine.
type task struct {
	p          *progress
	name, what string
	n, total   int64
}

func (p *progress) begin(name string) *task {
	s := &task{p: p, name: name}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tasks = append(p.tasks, s)
	return s
}

func (s *task) end() {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.tasks = slices.DeleteFunc(s.p.tasks, func(other *task) bool { return other == s })
}

// say tells what is being done.
func (s *task) say(what string) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.what, s.n, s.total = what, 0, 0
}

// sent tells how much was uploaded, in bytes.
func (s *task) sent(n, total int64) {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if s.what, s.n, s.total = "uploading", n, total; n == total {
		s.what, s.total = "checking", 0
	}
}

func (s *task) line() string {
	if s.total == 0 {
		return fmt.Sprintf("  %s  %s", s.name, s.what)
	}
	const cells = 20
	full := int(s.n * cells / s.total)
	return fmt.Sprintf("  %s  %s  [%s%s] %3d %% of %s", s.name, s.what, strings.Repeat("=", full), strings.Repeat(" ", cells-full), 100*s.n/s.total, formatSize(s.total))
}
