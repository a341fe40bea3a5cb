package sqlite

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
)

const (
	// tailSize is how much of a process's stderr is kept to explain its death.
	tailSize = 4 << 10
	// tailPause bounds how fast it is read.
	tailPause = 10 * time.Millisecond
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

// close ends the thread, and with it every process that is still alive.
func (s *starter) close() {
	close(s.jobs)
	<-s.done
}

// process is a running database process. It has a session of its own, no
// environment but its configuration, no descriptors but its standard ones and
// its sockets, and a pipe as its stdin whose other end only we hold.
type process struct {
	handle   *os.Process
	lifeline *os.File
	exited   chan struct{}

	mu    sync.Mutex
	state *os.ProcessState
	tail  []byte
}

// start starts path in dir, and returns our ends of n sockets.
func (s *starter) start(path, dir, env string, n int) (_ *process, _ []net.Conn, err error) {
	var theirs, ours []*os.File
	var conns []net.Conn
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			for _, f := range ours {
				_ = f.Close()
			}
			for _, c := range conns {
				_ = c.Close()
			}
		}
	}()
	stdinR, stdinW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	theirs, ours = append(theirs, stdinR), append(ours, stdinW)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = append(theirs, null)
	stderrR, stderrW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	theirs, ours = append(theirs, stderrW), append(ours, stderrR)
	for range n {
		c, their, err := socketPair()
		if err != nil {
			return nil, nil, err
		}
		conns, theirs = append(conns, c), append(theirs, their)
	}
	p := &process{lifeline: stdinW, exited: make(chan struct{})}
	started := make(chan struct{})
	s.jobs <- func() {
		defer close(started)
		p.handle, err = os.StartProcess(path, []string{"database"}, &os.ProcAttr{
			Dir: dir, Env: []string{env}, Files: theirs,
			Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
		})
	}
	<-started
	if err != nil {
		return nil, nil, err
	}
	go p.watch(stderrR)
	return p, conns, nil
}

// socketPair returns our end and theirs.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "database socket"), os.NewFile(uintptr(fds[1]), "database socket")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a copy
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// watch keeps the end of stderr, and reaps the process.
func (p *process) watch(stderr *os.File) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 1<<10)
		for {
			n, err := stderr.Read(buf)
			p.mu.Lock()
			p.tail = append(p.tail, buf[:n]...)
			if over := len(p.tail) - tailSize; over > 0 {
				p.tail = append(p.tail[:0], p.tail[over:]...)
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
			time.Sleep(tailPause)
		}
	}()
	state, _ := p.handle.Wait()
	_ = stderr.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	<-read
	_ = stderr.Close()
	_ = p.lifeline.Close()
	p.mu.Lock()
	p.state = state
	p.mu.Unlock()
	close(p.exited)
}

// kill sends SIGKILL through the process's pidfd, so it can never hit another
// process that was given the same id.
func (p *process) kill() { _ = p.handle.Kill() }

// end says how the process ended, with what it wrote last.
func (p *process) end() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	how := "it is running"
	if p.state != nil {
		how = p.state.String()
	}
	tail := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(p.tail), "?"))
	if tail = strings.TrimSpace(tail); tail != "" {
		how = fmt.Sprintf("%s: %s", how, tail)
	}
	return how
}
