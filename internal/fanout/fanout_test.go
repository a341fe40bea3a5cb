package fanout_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/fanout"
)

func all(int) bool { return true }

// Whoever joins gets everything from that moment on: what keep saw before, and
// what is shown after.
func TestNothingIsMissedAtTheSeam(t *testing.T) {
	var h fanout.Hub[int]
	var kept []int
	const n = 500
	var showing sync.WaitGroup
	showing.Go(func() {
		for i := range n {
			h.Show(i, func() { kept = append(kept, i) })
		}
	})
	var got []int
	done := errors.New("done")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	join := func() {
		if got = append(got, kept...); len(got) == n {
			cancel() // there is nothing more to wait for
		}
	}
	err := h.Follow(ctx, all, join, nil, func(v int, lost uint64) error {
		if got = append(got, v); lost > 0 {
			t.Errorf("%d are lost", lost)
		}
		if v == n-1 {
			return done
		}
		return nil
	})
	if len(got) > 0 && got[len(got)-1] == n-1 && err == nil {
		err = done // all of it was there before
	}
	showing.Wait()
	if !errors.Is(err, done) || len(got) != n {
		t.Errorf("%d of %d, %v", len(got), n, err)
	}
	for i, v := range got {
		if i != v {
			t.Fatalf("at %d there is %d", i, v)
		}
	}
}

func TestTooMany(t *testing.T) {
	var h fanout.Hub[int]
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	for range 256 {
		joined := make(chan struct{})
		following.Go(func() {
			if err := h.Follow(ctx, all, func() { close(joined) }, nil, func(int, uint64) error { return nil }); err != nil {
				t.Error(err)
			}
		})
		<-joined
	}
	// before runs under the lock, which joining holds to its end.
	h.Show(0, nil)
	if err := h.Follow(t.Context(), all, nil, nil, nil); !errors.Is(err, fanout.ErrTooMany) {
		t.Errorf("one more: %v", err)
	}
	cancel()
	following.Wait()
	h.Close()
	if err := h.Follow(t.Context(), all, nil, nil, nil); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
