package child

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// errClosed is what Process.Start returns once the Starter is closed.
var errClosed = errors.New("the starter of processes is closed")

// Starter starts processes, all from one thread that lives as long as the
// Starter: the kernel sends the parent-death signal when the thread that
// started a process ends, and Go's threads come and go. It may be used from
// many goroutines.
type Starter struct {
	jobs    chan func()
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
	held    map[string]*os.File // programs, by their paths
}

// NewStarter returns a Starter, which the caller closes. Descriptors that this
// process has inherited itself are not inherited further from then on.
func NewStarter() *Starter {
	keepDescriptors()
	s := &Starter{jobs: make(chan func()), closing: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// keepDescriptors keeps to us what we were started with: all that Go opens is
// closed in children anyway.
func keepDescriptors() {
	open, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

func (s *Starter) run() {
	defer close(s.ended)
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.closing:
			return
		}
	}
}

// do has the thread do a job, and waits for it.
func (s *Starter) do(job func()) error {
	done := make(chan struct{})
	select {
	case s.jobs <- func() { defer close(done); job() }:
		<-done
		return nil
	case <-s.ended:
		return errClosed
	}
}

// Close ends the thread. Its processes have to have ended before: one that is
// still alive may be killed by it. Close may be called often.
func (s *Starter) Close() {
	s.once.Do(func() {
		close(s.closing)
		<-s.ended
		for _, f := range s.held {
			_ = f.Close()
		}
	})
	<-s.ended
}
