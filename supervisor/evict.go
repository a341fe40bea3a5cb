package supervisor

import "time"

// evictOne takes the process of the idle tenant that was used least recently.
// The lock is held.
func (p *pool) evictOne() {
	var oldest *resident
	for _, h := range p.homes {
		if r := h.resident; r != nil && r.users == 0 && !r.dead() && (oldest == nil || r.used.Before(oldest.used)) {
			oldest = r
		}
	}
	if oldest != nil {
		p.evict(oldest)
	}
}

func (p *pool) evict(r *resident) {
	if r.kill(causeEvicted, nil) {
		p.leaving++
	}
}

// evictIdle takes the processes that were not used since before, and forgets
// homes that have nothing left to remember.
func (p *pool) evictIdle(before time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for tenant, h := range p.homes {
		r := h.resident
		switch {
		case r != nil && r.users == 0 && r.used.Before(before):
			p.evict(r)
		case r == nil && h.moving == nil && h.breaker.forgettable(time.Now()):
			delete(p.homes, tenant)
		}
	}
	p.refill()
}
