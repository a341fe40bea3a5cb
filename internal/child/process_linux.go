package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// lastWords is how long the standard error of a process that has ended is read
// on, should another process hold it open.
const lastWords = 200 * time.Millisecond

// Options say what a process is.
type Options struct {
	// Path is the program's file, Name what it is told that it is called.
	Path, Name string
	// Dir is its working directory.
	Dir string
	// Files are its descriptors from 3 on. They stay the caller's, who closes
	// them after Start.
	Files []*os.File
	// Cgroup, if not nil, is the directory of the control group that the process
	// is started in. It stays the caller's.
	Cgroup *os.File
	// Stdout asks for Process.Stdout; without it the standard output is
	// discarded.
	Stdout bool
	// Apart, if set, asks the kernel to start it in namespaces of its own. Where
	// it refuses, the process is started without, and Process.NotApart says why.
	Apart func(*syscall.SysProcAttr)
	// Line, if set, is called with each line of its standard error as well,
	// printable and cut to 1 KiB. The process waits for it when it writes more
	// than a pipe holds.
	Line func(line string)
}

// Process is one process of the operating system, from before its start until
// it has been reaped. Its methods may be called from many goroutines, Stdout
// and Start aside.
type Process struct {
	starter *Starter
	o       Options
	stdout  *os.File
	tail    tail
	exited  chan struct{}

	mu       sync.Mutex
	handle   *os.Process
	lifeline *os.File
	stderr   *os.File
	session  *os.File // for Yield; nil for none
	yields   bool
	killed   bool
	byOthers bool // its end was a SIGKILL of somebody else's
	over     bool // it has ended, and its id may become another's
	state    *os.ProcessState
	notApart error
	cpu      time.Duration // as it was read last
}

// New returns a process that has not been started.
func (s *Starter) New(o Options) *Process {
	return &Process{starter: s, o: o, exited: make(chan struct{})}
}

// Start starts the process with this environment and nothing else. It is called
// once. What it needs is released when the process has been reaped.
func (p *Process) Start(env []string) error {
	var theirs, ours [3]*os.File
	err := p.open(&theirs, &ours)
	var handle *os.Process
	if err == nil {
		handle, err = p.startApart(&os.ProcAttr{
			Dir:   p.o.Dir,
			Env:   append([]string{}, env...), // nil would mean our own
			Files: append(theirs[:], p.o.Files...),
		})
	}
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		return err
	}
	p.stdout = ours[1]
	session := openSession(handle.Pid)
	p.mu.Lock()
	p.handle, p.lifeline, p.stderr, p.session = handle, ours[0], ours[2], session
	if p.killed {
		p.kill()
	}
	p.mu.Unlock()
	offer(handle.Pid)
	go p.reap(handle, ours)
	return nil
}

// startApart starts the process in namespaces, if that is asked for, and else,
// or when it is refused, without.
func (p *Process) startApart(attr *os.ProcAttr) (handle *os.Process, err error) {
	start := func(apart func(*syscall.SysProcAttr)) error {
		attr.Sys = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
		if p.o.Cgroup != nil {
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, int(p.o.Cgroup.Fd())
		}
		if apart != nil {
			apart(attr.Sys)
		}
		if err := p.starter.do(func() {
			path, release, notFound := p.starter.find(p.o.Path, attr.Files)
			if err = notFound; err == nil {
				handle, err = os.StartProcess(path, []string{p.o.Name}, attr)
				release()
			}
		}); err != nil {
			return err
		}
		return err
	}
	first := start(p.o.Apart)
	if first == nil || p.o.Apart == nil || errors.Is(first, errClosed) {
		return handle, first
	}
	if err := start(nil); err != nil {
		return nil, err // it was not the namespaces
	}
	p.mu.Lock()
	p.notApart = first
	p.mu.Unlock()
	return handle, nil
}

// victim is how much likelier than others a child is to be killed when the
// machine runs out of memory; 1000 is the most.
const victim = 500

// offer makes a child, which inherits our own score, a likelier victim than we
// are. Where it cannot be, the kernel chooses by size as ever.
func offer(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(strconv.Itoa(victim)), 0)
}

// open opens the standard files: stdin, stdout, stderr.
func (p *Process) open(theirs, ours *[3]*os.File) (err error) {
	if theirs[0], ours[0], err = os.Pipe(); err != nil {
		return err
	}
	if p.o.Stdout {
		ours[1], theirs[1], err = os.Pipe()
	} else {
		theirs[1], err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err != nil {
		return err
	}
	ours[2], theirs[2], err = os.Pipe()
	return err
}

func closeAll(files [3]*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// reap waits for the process's end.
func (p *Process) reap(handle *os.Process, ours [3]*os.File) {
	heard, pace := make(chan struct{}), rate.NewLimiter(bytesPerSecond, bytesPerSecond)
	go func() {
		listen(ours[2], pace, &p.tail, p.o.Line)
		close(heard)
		p.reapThreads(handle.Pid)
	}()
	p.await(handle.Pid)
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	state, _ := handle.Wait()
	if state != nil {
		status, _ := state.Sys().(syscall.WaitStatus)
		p.mu.Lock()
		p.byOthers = !p.killed && status.Signaled() && status.Signal() == syscall.SIGKILL
		p.mu.Unlock()
	}
	pace.SetLimit(rate.Inf) // no more than the pipe holds is left
	_ = ours[2].SetReadDeadline(time.Now().Add(lastWords))
	<-heard
	closeAll(ours)
	p.mu.Lock()
	p.state = state
	if p.session != nil {
		_ = p.session.Close()
		p.session = nil
	}
	p.mu.Unlock()
	close(p.exited)
}

// PID is the process's id once it has been started, and 0 before.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle == nil {
		return 0
	}
	return p.handle.Pid
}

// NotApart says why the process is not in the namespaces that Options.Apart
// asked for; nil means that it is, or that none were asked for. It is valid
// after Start.
func (p *Process) NotApart() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.notApart
}

// Stdout is valid after Start, if Options asked for it. It ends when the
// process has been reaped.
func (p *Process) Stdout() io.ReadCloser { return p.stdout }

// Exited is closed when the process has ended and has been reaped.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Kill ends the process at once. It may be called at any time, often: a process
// that is started later is killed then, and no other process is ever mistaken
// for one that has ended, since the signal goes through its pidfd.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handle != nil && hasEnded(p.handle.Pid) {
		return // somebody else's doing, or its own
	}
	p.killed = true
	if p.handle != nil {
		p.kill()
	}
}

// kill kills what has been started, and has its threads looked at soon, whoever
// holds its standard error open. The lock is held.
func (p *Process) kill() {
	_ = p.handle.Kill()
	_ = p.stderr.SetReadDeadline(time.Now().Add(lastWords))
}

// Cut lets the process read the end of its standard input, which asks it to
// end. It may be called often.
func (p *Process) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.lifeline.Close()
}

// Tail is the end of what the process wrote to its standard error, printable.
func (p *Process) Tail() string { return p.tail.String() }

// How says how the process ended: "signal: killed", "exit status 1"; or that it
// is "running", or "not started".
func (p *Process) How() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.handle == nil:
		return "not started"
	case p.state == nil:
		return "running"
	}
	return p.state.String()
}

// KilledByOthers reports whether the process has ended by a SIGKILL that Kill did
// not send: an operator's, or the kernel's for want of memory.
func (p *Process) KilledByOthers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byOthers
}

// Obituary is one line for the log: how the process ended and what it said.
func (p *Process) Obituary() string {
	if tail := p.Tail(); tail != "" {
		return p.How() + "; it said: " + tail
	}
	return p.How()
}
