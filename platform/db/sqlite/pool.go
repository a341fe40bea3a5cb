package sqlite

import "sync"

// pool holds the sessions that nobody uses. The last that was used is the next:
// it is the likeliest to have a statement compiled.
type pool struct {
	ready chan struct{} // has one for each session

	mu       sync.Mutex
	sessions []*session
}

// newPool returns a pool for up to n sessions.
func newPool(n int) *pool { return &pool{ready: make(chan struct{}, n)} }

func (p *pool) put(s *session) {
	p.mu.Lock()
	p.sessions = append(p.sessions, s)
	p.mu.Unlock()
	p.ready <- struct{}{}
}

// pop returns a session, to who has received from ready.
func (p *pool) pop() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.sessions) - 1
	s := p.sessions[last]
	p.sessions = p.sessions[:last]
	return s
}
