package journal_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/journal"
)

var at = time.Unix(1_800_000_000, 0)

func add(j *journal.Journal, tenant, function, level, message string) {
	j.Add(&journal.Entry{Time: at, Tenant: tenant, Function: function, Level: level, Message: message})
}

func read(t *testing.T, j *journal.Journal, f journal.Filter) (messages []string) {
	t.Helper()
	err := j.Read(t.Context(), f, nil, func(e *journal.Entry) error {
		messages = append(messages, e.Message)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return messages
}

func TestFilters(t *testing.T) {
	j := journal.New()
	defer j.Close()
	add(j, "acme", "a", "info", "one")
	add(j, "acme", "b", "debug", "two")
	add(j, "other", "a", "error", "three")
	j.Add(&journal.Entry{Time: at.Add(time.Minute), Tenant: "acme", Function: "a", Level: "warn", Message: "four", Outcome: "deadline"})
	for name, c := range map[string]struct {
		f    journal.Filter
		want string
	}{
		"all":      {journal.Filter{Level: slog.LevelDebug, Tail: -1}, "one two three four"},
		"tenant":   {journal.Filter{Tenant: "acme", Level: slog.LevelDebug, Tail: -1}, "one two four"},
		"function": {journal.Filter{Tenant: "acme", Function: "a", Tail: -1}, "one four"},
		"level":    {journal.Filter{Level: slog.LevelWarn, Tail: -1}, "three four"},
		"outcome":  {journal.Filter{Outcome: "deadline", Tail: -1}, "four"},
		"failed":   {journal.Filter{Outcome: "failed", Level: slog.LevelDebug, Tail: -1}, "four"},
		"no such":  {journal.Filter{Outcome: "memory", Tail: -1}, ""},
		"since":    {journal.Filter{Since: at.Add(time.Second), Tail: -1}, "four"},
		"tail":     {journal.Filter{Level: slog.LevelDebug, Tail: 2}, "three four"},
		"nothing":  {journal.Filter{Tail: 0}, ""},
		"grep":     {journal.Filter{Level: slog.LevelDebug, Tail: 1, Grep: regexp.MustCompile("^t")}, "three"},
	} {
		if got := strings.Join(read(t, j, c.f), " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	j.Forget("acme", "a")
	if got := read(t, j, journal.Filter{Level: slog.LevelDebug, Tail: -1}); fmt.Sprint(got) != "[two three]" {
		t.Errorf("after a function's end: %v", got)
	}
	j.Forget("acme", "")
	if got := read(t, j, journal.Filter{Level: slog.LevelDebug, Tail: -1}); fmt.Sprint(got) != "[three]" {
		t.Errorf("after a tenant's end: %v", got)
	}
}

// A function that floods loses its own oldest lines, and nobody else's; all
// together stay within their bound.
func TestBounds(t *testing.T) {
	j := journal.New()
	defer j.Close()
	add(j, "quiet", "f", "info", "still here")
	for i := range 3 * journal.MaxLines {
		add(j, "loud", "f", "info", fmt.Sprint(i))
	}
	got := read(t, j, journal.Filter{Tenant: "loud", Tail: -1})
	if len(got) != journal.MaxLines || got[0] != fmt.Sprint(2*journal.MaxLines) {
		t.Errorf("%d lines, the first %q", len(got), got[0])
	}
	if got := read(t, j, journal.Filter{Tenant: "quiet", Tail: -1}); len(got) != 1 {
		t.Errorf("the quiet tenant's: %q", got)
	}
	long := strings.Repeat("x", 16<<10)
	for i := range 400 { // 400 functions of 128 KiB each are more than 32 MiB
		for range 8 {
			add(j, "many", fmt.Sprint("f", i), "info", long)
		}
	}
	functions := make(map[string]bool)
	bytes := 0
	err := j.Read(t.Context(), journal.Filter{Tail: -1}, nil, func(e *journal.Entry) error {
		functions[e.Function] = true
		bytes += len(e.Message)
		return nil
	})
	if err != nil || bytes > 32<<20 || functions["f0"] || !functions["f399"] || functions["f"] {
		t.Errorf("%d bytes of %d functions are kept, %v", bytes, len(functions), err)
	}
}

// Nothing is missing and nothing is told twice between the past and what comes.
func TestFollow(t *testing.T) {
	j := journal.New()
	defer j.Close()
	const n = 1000 // fewer than may wait for a slow follower
	go func() {
		for i := range n {
			add(j, "acme", fmt.Sprint("f", i%4), "info", fmt.Sprint(i))
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	begun := false
	err := j.Read(ctx, journal.Filter{Tenant: "acme", Tail: -1, Follow: true}, func() { begun = true }, func(e *journal.Entry) error {
		if e.Lost > 0 {
			t.Errorf("%d are lost", e.Lost)
		}
		if got = append(got, e.Message); e.Message == fmt.Sprint(n-1) {
			cancel()
		}
		return nil
	})
	if err != nil || !begun || len(got) != n {
		t.Fatalf("%d of %d lines, %v", len(got), n, err)
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return len(a)*100000 - len(b)*100000 + strings.Compare(a, b) }) {
		t.Error("they are out of order")
	}
}

// A reader that is stuck holds nobody up, and learns how much it missed.
func TestSlowFollower(t *testing.T) {
	j := journal.New()
	stuck, free := make(chan struct{}), make(chan struct{})
	var seen, lost atomic.Uint64
	ended := make(chan error, 1)
	go func() {
		first := true
		ended <- j.Read(t.Context(), journal.Filter{Follow: true}, nil, func(e *journal.Entry) error {
			if first {
				first = false
				close(stuck)
				<-free
			}
			if lost.Add(e.Lost); e.Lost == 0 {
				seen.Add(1)
			}
			return nil
		})
	}()
	sent := uint64(0)
	send := func() { add(j, "acme", "f", "info", "line"); sent++ }
	for started := false; !started; {
		send()
		select {
		case <-stuck:
			started = true
		case <-time.After(time.Millisecond):
		}
	}
	for range 5000 {
		send()
	}
	close(free)
	// One that is taken up carries the number of those that were not.
	for deadline := time.Now().Add(10 * time.Second); lost.Load() == 0 && time.Now().Before(deadline); runtime.Gosched() {
		send()
	}
	j.Close()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// Those before the follower joined it never saw.
	if n := seen.Load() + lost.Load(); lost.Load() == 0 || n > sent || n < 5000 {
		t.Errorf("of %d it saw %d and missed %d", sent, seen.Load(), lost.Load())
	}
}
