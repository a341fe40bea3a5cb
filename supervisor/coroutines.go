package supervisor

import (
	"iter"
	"sync"
)

// maxIdleCoroutines is how many wait for their next job.
const maxIdleCoroutines = 64

// coroutines run jobs that can go on when who began them has returned. Most do
// not, and switching to a coroutine and back takes no scheduling. They are kept
// for further jobs with their stacks: an invocation's is deep, and growing a new
// one costs more than all the rest of this.
type coroutines struct {
	mu     sync.Mutex
	idle   []*coroutine
	closed bool
}

type coroutine struct {
	job  func(goOn func())
	next func() (done, alive bool) // switches to the job, until it says goOn or ends
	stop func()
}

func newCoroutine() *coroutine {
	c := &coroutine{}
	c.next, c.stop = iter.Pull(func(yield func(done bool) bool) {
		goOn := func() { yield(false) }
		for alive := true; alive; alive = yield(true) {
			c.job(goOn)
			c.job = nil
		}
	})
	return c
}

// run runs a job until it ends, or says goOn: then it goes on beside the caller.
func (cs *coroutines) run(job func(goOn func())) {
	c := cs.take()
	c.job = job
	if done, _ := c.next(); done {
		cs.give(c)
		return
	}
	go func() {
		_, _ = c.next()
		cs.give(c)
	}()
}

func (cs *coroutines) take() *coroutine {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	n := len(cs.idle)
	if n == 0 {
		return newCoroutine()
	}
	c := cs.idle[n-1]
	cs.idle = cs.idle[:n-1]
	return c
}

func (cs *coroutines) give(c *coroutine) {
	cs.mu.Lock()
	kept := !cs.closed && len(cs.idle) < maxIdleCoroutines
	if kept {
		cs.idle = append(cs.idle, c)
	}
	cs.mu.Unlock()
	if !kept {
		c.stop()
	}
}

// close ends those that are idle; the others end with their jobs.
func (cs *coroutines) close() {
	cs.mu.Lock()
	idle := cs.idle
	cs.idle, cs.closed = nil, true
	cs.mu.Unlock()
	for _, c := range idle {
		c.stop()
	}
}
