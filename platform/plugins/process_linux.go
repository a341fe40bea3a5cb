package plugins

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxHandshake bounds the one line that a plugin writes to its standard output.
const maxHandshake = 1 << 10

// process is one operating system process of a plugin. It has a session of its
// own, few environment variables, no descriptors but its standard ones, and a
// pipe as its standard input whose other end only the supervisor holds: however
// the supervisor ends, the plugin reads the end of it.
type process struct {
	cmd    *exec.Cmd
	output *output
	first  *firstLine
	exited chan struct{}

	mu       sync.Mutex
	lifeline *os.File
	started  bool
	killed   bool
}

func newProcess(path string, log *slog.Logger) *process {
	cmd := exec.Command(path)
	cmd.Dir = filepath.Dir(path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	return &process{cmd: cmd, output: newOutput(log), exited: make(chan struct{})}
}

// start starts the process with this environment and a little more.
func (p *process) start(env []string) error {
	var theirs, ours [3]*os.File
	closeAll := func(files [3]*os.File) {
		for _, f := range files {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(theirs)
			closeAll(ours)
			return err
		}
		theirs[i], ours[i] = w, r
		if i == 0 {
			theirs[i], ours[i] = r, w
		}
	}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	p.cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "LANG="+os.Getenv("LANG"))
	err := p.cmd.Start()
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return err
	}
	p.first = &firstLine{r: ours[1]}
	p.mu.Lock()
	p.lifeline, p.started = ours[0], true
	if p.killed {
		_ = p.cmd.Process.Kill()
	}
	p.mu.Unlock()

	var reading sync.WaitGroup
	reading.Go(func() { p.output.read(ours[2]) })
	go func() {
		_ = p.cmd.Wait()
		// Another process may hold the pipes open: do not wait for their end.
		for _, f := range ours[1:] {
			_ = f.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}
		reading.Wait()
		closeAll([3]*os.File{nil, ours[1], ours[2]})
		p.cut()
		close(p.exited)
	}()
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// id is empty until the process has been started, for go-plugin.
func (p *process) id() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// kill sends SIGKILL; it may be called at any time, often. A process that has
// ended is not mistaken for another.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if p.started {
		_ = p.cmd.Process.Kill()
	}
}

// cut lets the plugin read the end of its standard input.
func (p *process) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lifeline != nil {
		_ = p.lifeline.Close()
		p.lifeline = nil
	}
}

// end asks the process to end, kills it after wait, and returns when it has
// been reaped.
func (p *process) end(wait time.Duration) {
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	if !started {
		return
	}
	if wait > 0 {
		p.cut()
		select {
		case <-p.exited:
		case <-time.After(wait):
		}
	}
	p.kill()
	<-p.exited
}

// exit says how the process ended.
func (p *process) exit() string { return p.cmd.ProcessState.String() }

// explain turns go-plugin's error into one for the operator: what the plugin
// said is most often the reason.
func (p *process) explain(ctx context.Context, err error) error {
	p.mu.Lock()
	started := p.started
	p.mu.Unlock()
	if !started {
		return err
	}
	line := p.first.line()
	parts := strings.Split(line, "|")
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("it was not ready in time")
	case line == "":
		err = fmt.Errorf("it ended before its handshake (%s)", p.exit())
	case len(parts) < 4:
		err = fmt.Errorf("it is no plugin: it wrote %q instead of a handshake", clip(line, 80))
	}
	if tail := p.output.tail(); tail != "" {
		return fmt.Errorf("%w; it said: %s", err, tail)
	}
	return err
}

// firstLine lets one line through, of a bounded length. What comes after is
// read, so that nobody waits for it, and dropped.
type firstLine struct {
	r io.ReadCloser

	mu   sync.Mutex
	seen []byte
	done bool
}

func (l *firstLine) Read(b []byte) (int, error) {
	l.mu.Lock()
	done := l.done || len(l.seen) >= maxHandshake
	left := maxHandshake - len(l.seen)
	l.mu.Unlock()
	if done {
		_, _ = io.Copy(io.Discard, l.r)
		return 0, io.EOF
	}
	n, err := l.r.Read(b[:min(len(b), left)])
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := bytes.IndexByte(b[:n], '\n'); i >= 0 {
		n, l.done = i+1, true
	}
	l.seen = append(l.seen, b[:n]...)
	return n, err
}

func (l *firstLine) Close() error { return l.r.Close() }

func (l *firstLine) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return printable(string(l.seen))
}
