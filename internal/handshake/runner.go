package handshake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

// Process is a process as Connect needs it; *child.Process is one. How it comes
// to life, and how it ends, is its owner's business.
type Process interface {
	// Start starts the process with this environment and nothing else.
	Start(env []string) error
	// PID is the process's id once it has been started.
	PID() int
	// Stdout is valid after Start and ends when the process has ended.
	Stdout() io.ReadCloser
	// Kill ends the process at once. It may be called at any time, often.
	Kill()
	// Exited is closed when the process has ended and has been reaped; How
	// says then how.
	Exited() <-chan struct{}
	How() string
	// Tail is the end of what the process wrote to its standard error.
	Tail() string
}

// processRunner adapts a process to go-plugin.
type processRunner struct {
	process Process
	c       *Config
	dir     string // where the process's socket must be
	env     []string

	mu    sync.Mutex
	first *firstLine // nil until the process has been started
	fault error      // our own words for what is wrong with the handshake
}

var _ runner.Runner = (*processRunner)(nil)

func (r *processRunner) Start(context.Context) error {
	if err := r.process.Start(r.env); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.first = &firstLine{ReadCloser: r.process.Stdout(), left: maxLine}
	return nil
}

func (r *processRunner) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first != nil
}

func (r *processRunner) Diagnose(context.Context) string { return "" }
func (r *processRunner) Stdout() io.ReadCloser           { return r.first }
func (r *processRunner) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (r *processRunner) Name() string                    { return r.c.What }
func (r *processRunner) Kill(context.Context) error      { r.process.Kill(); return nil }
func (r *processRunner) Wait(context.Context) error      { <-r.process.Exited(); return nil }

func (r *processRunner) ID() string {
	if !r.started() {
		return ""
	}
	return strconv.Itoa(r.process.PID())
}

func (r *processRunner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// PluginToHost accepts an address only if it is a socket right inside the
// directory that was made for this process.
func (r *processRunner) PluginToHost(network, addr string) (string, string, error) {
	if err := checkAddress(r.dir, network, addr); err != nil {
		r.mu.Lock()
		r.fault = err
		r.mu.Unlock()
		return "", "", err
	}
	return network, addr, nil
}

func checkAddress(dir, network, addr string) error {
	if network != "unix" {
		return fmt.Errorf("it offers a %.16q address; only a unix socket is accepted", network)
	}
	if filepath.Dir(addr) != filepath.Clean(dir) || filepath.Clean(addr) != addr {
		return errors.New("it offers a socket outside its own directory")
	}
	info, err := os.Lstat(addr)
	if err != nil {
		return errors.New("it offers a socket that does not exist")
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("it offers a %v instead of a socket", info.Mode().Type())
	}
	return nil
}

// explain turns go-plugin's error into one for the operator: what the process
// said on its standard error is most often the reason.
func (r *processRunner) explain(ctx context.Context, err error) error {
	if !r.started() {
		return err
	}
	exited := false
	select {
	case <-r.process.Exited():
		exited = true
	case <-time.After(100 * time.Millisecond):
		// A process that is about to exit has a last word to say.
	}
	r.mu.Lock()
	fault, line := r.fault, r.first.line()
	r.mu.Unlock()
	parts := strings.Split(line, "|")
	switch {
	case fault != nil:
		return fault
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("it was not ready in time")
	case len(parts) >= 2 && parts[0] == strconv.Itoa(plugin.CoreProtocolVersion) && parts[1] != strconv.Itoa(int(r.c.Handshake.ProtocolVersion)):
		return fmt.Errorf("version mismatch: it speaks protocol %.16q, the supervisor speaks %d; %s", parts[1], r.c.Handshake.ProtocolVersion, r.c.Remedy)
	case line == "" && exited:
		err = fmt.Errorf("it ended before its handshake (%s)", r.process.How())
	case line != "" && len(parts) < 4:
		err = fmt.Errorf("it is no %s: it wrote %.80q instead of a handshake", r.c.What, line)
	}
	if tail := r.process.Tail(); tail != "" {
		return fmt.Errorf("%w; it said: %s", err, tail)
	}
	return err
}

// maxLine bounds the one line that a process writes to its standard output.
const maxLine = 1 << 10

// firstLine lets one line through, of a bounded length, and then ends.
type firstLine struct {
	io.ReadCloser
	left int

	mu   sync.Mutex
	seen []byte
	done bool
}

func (l *firstLine) Read(b []byte) (int, error) {
	if l.done || l.left <= 0 {
		return 0, io.EOF
	}
	n, err := l.ReadCloser.Read(b[:min(len(b), l.left)])
	if i := strings.IndexByte(string(b[:n]), '\n'); i >= 0 {
		n, l.done = i+1, true
	}
	l.left -= n
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, b[:n]...)
	return n, err
}

func (l *firstLine) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(string(l.seen))
}
