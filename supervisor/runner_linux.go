package supervisor

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"github.com/bulkhead-run/bulkhead/ipc"
)

const (
	// tailSize is how much of a child's stderr is kept to explain its death.
	tailSize = 8 << 10
	// stderrRate is how much of it is read in a second: a child that writes
	// more has to wait.
	stderrRate = 256 << 10
)

// starter starts processes, all from one thread that lives as long as the
// starter: the kernel's parent-death signal is sent when the *thread* that
// started a child ends, and Go's threads come and go.
type starter struct {
	jobs chan func()
	done chan struct{}
}

func newStarter() *starter {
	s := &starter{jobs: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// close ends the thread, and with it every child that is still alive.
func (s *starter) close() {
	close(s.jobs)
	<-s.done
}

// child is one operating system process that runs the sandbox binary. It has
// an empty environment but for what it is given, no descriptors but its
// standard ones and the socket over which it is sent snapshots, a session of
// its own, and a pipe as its stdin whose other end
// only the supervisor holds: however the supervisor dies, the child reads the
// end of it.
type child struct {
	starter *starter
	path    string
	dir     string

	stdout   *os.File
	lifeline *os.File
	files    *ipc.FileSender
	exited   chan struct{}

	mu      sync.Mutex
	process *os.Process
	killed  bool
	state   *os.ProcessState
	tail    []byte
}

var _ ipc.Child = (*child)(nil)

func newChild(s *starter, path, dir string) *child {
	return &child{starter: s, path: path, dir: dir, exited: make(chan struct{})}
}

func (c *child) Start(env []string) error {
	var files [6]*os.File // stdin, stdout and stderr: theirs, ours
	closeAll := func() {
		for _, f := range files {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return err
		}
		if i == 0 {
			files[0], files[3] = r, w
		} else {
			files[i], files[3+i] = w, r
		}
	}
	sender, theirs, err := ipc.NewFileSender()
	if err != nil {
		closeAll()
		return err
	}
	defer theirs.Close()
	var process *os.Process
	finished := make(chan struct{})
	c.starter.jobs <- func() {
		defer close(finished)
		process, err = os.StartProcess(c.path, []string{"sandbox"}, &os.ProcAttr{
			Dir:   c.dir,
			Env:   env,
			Files: []*os.File{files[0], files[1], files[2], ipc.FilesFD: theirs},
			Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
		})
	}
	<-finished
	if err != nil {
		_ = sender.Close()
		closeAll()
		return err
	}
	for _, f := range files[:3] {
		_ = f.Close()
	}
	c.lifeline, c.stdout, c.files = files[3], files[4], sender
	c.mu.Lock()
	c.process = process
	if c.killed {
		_ = process.Kill()
	}
	c.mu.Unlock()

	read := make(chan struct{})
	go func() {
		defer close(read)
		c.keepTail(files[5])
	}()
	go func() {
		state, _ := process.Wait()
		// A grandchild may hold the pipes open: do not wait for their end.
		_ = files[5].SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		<-read
		_ = files[5].Close()
		_ = c.stdout.Close()
		_ = c.lifeline.Close()
		_ = c.files.Close()
		c.mu.Lock()
		c.state = state
		c.mu.Unlock()
		close(c.exited)
	}()
	return nil
}

func (c *child) keepTail(r io.Reader) {
	limit := rate.NewLimiter(stderrRate, stderrRate)
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		c.mu.Lock()
		c.tail = append(c.tail, buf[:n]...)
		if over := len(c.tail) - tailSize; over > 0 {
			c.tail = append(c.tail[:0], c.tail[over:]...)
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
		_ = limit.WaitN(context.Background(), n)
	}
}

func (c *child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == nil {
		return 0
	}
	return c.process.Pid
}

func (c *child) Stdout() io.ReadCloser   { return c.stdout }
func (c *child) Exited() <-chan struct{} { return c.exited }

// Kill sends SIGKILL through the process's pidfd, so it can never hit another
// process that was given the same id.
func (c *child) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.process != nil {
		_ = c.process.Kill()
	}
}

// Tail returns the end of what the child wrote to its stderr, printable.
func (c *child) Tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return printable(string(c.tail))
}

// exit says how the process ended.
func (c *child) exit() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == nil {
		return "running"
	}
	if status, ok := c.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("ended by signal %v", status.Signal())
	}
	return fmt.Sprintf("exited with status %d", c.state.ExitCode())
}
