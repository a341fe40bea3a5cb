package supervisor

import (
	"context"
	"sync"
)

// keyedLock is a lock for each name. A name that nobody locks takes no memory.
type keyedLock struct {
	mu    sync.Mutex
	locks map[string]*namedLock
}

type namedLock struct {
	turn  chan struct{} // holds a token while locked
	users int
}

func newKeyedLock() *keyedLock { return &keyedLock{locks: make(map[string]*namedLock)} }

// lock waits for a name's lock, or for the context's end.
func (k *keyedLock) lock(ctx context.Context, name string) (unlock func(), err error) {
	k.mu.Lock()
	l := k.locks[name]
	if l == nil {
		l = &namedLock{turn: make(chan struct{}, 1)}
		k.locks[name] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, name)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
