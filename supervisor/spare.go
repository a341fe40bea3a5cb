package supervisor

import (
	"errors"
	"time"
)

const (
	// refillPause is the wait after a spare did not start.
	refillPause = time.Second
	// refillDelay is how long a spare that was taken is not replaced: the
	// first invocation of the tenant that took it comes before.
	refillDelay = 25 * time.Millisecond
)

// refill starts the spares that are missing. The lock is held.
func (p *pool) refill() {
	for !p.closed && !p.s.shedder.under(scarce) && p.waiting == 0 && len(p.spares)+p.filling < p.s.o.Spares && p.total < p.s.o.MaxProcesses {
		p.filling++
		p.arriving++
		p.total++
		p.work.Add(1)
		go func() {
			defer p.work.Done()
			proc, err := p.start(p.s.life, p.s.o.StartTimeout)
			p.arrived(proc, err)
			if err != nil && !errors.Is(err, errNoRoom) && p.s.life.Err() == nil {
				p.s.log.Error("a spare sandbox process did not start", "error", err)
				select {
				case <-time.After(refillPause):
				case <-p.s.life.Done():
				}
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.filling--
			p.refill()
		}()
	}
}

// arrived ends the wait for a spare, one way or the other.
func (p *pool) arrived(proc *process, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arriving--
	if err != nil {
		p.wake() // they start one themselves, and hear why it fails
		return
	}
	p.addSpare(proc)
}

// refill starts the spares that were not when memory was scarce.
func (s *Supervisor) refill() {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.refill()
}

// refillSoon has spares started after refillDelay. The lock is held.
func (p *pool) refillSoon() {
	if p.refilling {
		return
	}
	p.refilling = true
	time.AfterFunc(refillDelay, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refilling = false
		p.refill()
	})
}

// addSpare keeps a started process for the next tenant. The lock is held.
func (p *pool) addSpare(proc *process) {
	if p.closed {
		proc.kill(causeClosed, nil)
		return
	}
	p.spares = append(p.spares, proc)
	p.wake()
}
