// Package fanout shows what happens to those who follow it, without ever
// waiting for them: one who is slow misses some, and is told how many.
package fanout

import (
	"context"
	"errors"
	"sync"
)

const (
	// queue is how many items wait for a follower who is slow.
	queue = 1024
	// maxFollowers bounds those who follow at once.
	maxFollowers = 256
)

// ErrTooMany means that so many follow already that one more is refused.
var ErrTooMany = errors.New("256 follow already, which is the most")

// Hub shows items to followers. The zero value works. Its methods may be called
// from many goroutines.
type Hub[T any] struct {
	mu        sync.Mutex
	closed    bool
	followers map[*follower[T]]bool
}

type follower[T any] struct {
	want  func(T) bool
	items chan item[T]
	lost  uint64 // guarded by Hub.mu
}

// item is T, after lost others that were left out.
type item[T any] struct {
	value T
	lost  uint64
}

// Follow calls do with every item that want chooses and that is shown from now
// on, and with how many were left out right before it, because do is too slow.
// before, if not nil, is called first, at the moment from which on nothing is
// missed. Follow returns nil when ctx ends or the hub is closed, first's or do's
// error when it has one, and ErrTooMany.
func (h *Hub[T]) Follow(ctx context.Context, want func(T) bool, before func(), first func() error, do func(v T, lost uint64) error) error {
	me := &follower[T]{want: want, items: make(chan item[T], queue)}
	if err := h.join(me, before); err != nil {
		return err
	}
	defer h.leave(me)
	if first != nil {
		if err := first(); err != nil {
			return err
		}
	}
	for {
		select {
		case it, ok := <-me.items:
			if !ok {
				return nil
			}
			if err := do(it.value, it.lost); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *Hub[T]) join(f *follower[T], before func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before != nil {
		before()
	}
	switch {
	case h.closed:
		close(f.items)
		return nil
	case len(h.followers) >= maxFollowers:
		return ErrTooMany
	case h.followers == nil:
		h.followers = make(map[*follower[T]]bool)
	}
	h.followers[f] = true
	return nil
}

func (h *Hub[T]) leave(f *follower[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
}

// Show shows an item to the followers that want it. keep, if not nil, is called
// at the moment at which those who join are told of it or not.
func (h *Hub[T]) Show(v T, keep func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if keep != nil {
		keep()
	}
	for f := range h.followers {
		if !f.want(v) {
			continue
		}
		select {
		case f.items <- item[T]{v, f.lost}:
			f.lost = 0
		default:
			f.lost++
		}
	}
}

// Locked calls f at a moment at which nothing is shown and nobody joins.
func (h *Hub[T]) Locked(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// Close ends the followers, once they have seen what was shown to them.
func (h *Hub[T]) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for f := range h.followers {
		close(f.items)
	}
	clear(h.followers)
}
