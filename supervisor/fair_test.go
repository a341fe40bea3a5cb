package supervisor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const forever = time.Hour

func mustEnter(t *testing.T, f *fair, tenant string) *seat {
	t.Helper()
	s, err := f.enter(t.Context(), tenant, "f", 100, time.Millisecond)
	if err != nil {
		t.Fatalf("%s: %v", tenant, err)
	}
	return s
}

// queue has n invocations wait, and reports each turn with its tenant.
func queue(t *testing.T, f *fair, turns chan<- func(), tenant string, weight, n int, took time.Duration, order *[]string) {
	t.Helper()
	_, before := f.counts()
	for range n {
		go func() {
			s, err := f.enter(context.Background(), tenant, "f", weight, forever)
			if err != nil {
				t.Error(err)
				return
			}
			turns <- func() {
				*order = append(*order, tenant)
				f.mu.Lock()
				s.since = s.since.Add(-took) // as if it had computed for so long
				f.mu.Unlock()
				s.leave()
			}
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, waiting := f.counts(); waiting == before+n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("they do not come to wait")
		}
	}
}

// inCompany returns one that more than one tenant makes use of.
func inCompany(t *testing.T, slots int) *fair {
	f := newFair(slots)
	mustEnter(t, f, "this").leave()
	mustEnter(t, f, "that").leave()
	return f
}

// A tenant that sends much waits for itself; another's first goes at once, and
// its further ones take their share.
func TestFairShares(t *testing.T) {
	f := inCompany(t, 3)
	flood := []*seat{mustEnter(t, f, "flood"), mustEnter(t, f, "flood"), mustEnter(t, f, "flood")}
	light := mustEnter(t, f, "light") // as one too many
	turns, order := make(chan func(), 100), []string(nil)
	queue(t, f, turns, "flood", 100, 20, 10*time.Millisecond, &order)
	queue(t, f, turns, "light", 300, 20, 10*time.Millisecond, &order)
	// One of each goes on, so that there is one place, and no first of a tenant.
	for _, s := range flood[1:] {
		f.mu.Lock()
		s.since = time.Now() // how long the queues took is nobody's
		f.mu.Unlock()
		s.leave()
	}
	for range 40 {
		(<-turns)()
	}
	flood[0].leave()
	light.leave()
	// With thrice the weight, light has about three of each four turns.
	count := 0
	for _, tenant := range order[:24] {
		if tenant == "light" {
			count++
		}
	}
	if count < 15 || count > 20 {
		t.Errorf("of 24 turns light had %d: %v", count, order)
	}
	if running, waiting := f.counts(); running != 0 || waiting != 0 || len(f.lines) != 0 || len(f.queued) != 0 {
		t.Errorf("left: %d, %d, %v", running, waiting, f.lines)
	}
}

// What waits for a host call leaves its place to others, and has it again at
// once.
func TestFairHostCalls(t *testing.T) {
	f := inCompany(t, 1)
	a := mustEnter(t, f, "a")
	if _, err := f.enter(t.Context(), "a", "f", 100, time.Millisecond); outcome.Of(err) != outcome.Overloaded {
		t.Fatalf("a second one: %v", err)
	}
	a.wait()
	a.wait()
	b := mustEnter(t, f, "a")
	a.resume()
	if running, _ := f.counts(); running != 1 {
		t.Errorf("%d compute while one waits", running)
	}
	a.resume()
	if running, _ := f.counts(); running != 2 {
		t.Errorf("%d compute after it has waited", running)
	}
	a.wait()
	a.leave()
	a.resume() // the call outlived it
	b.leave()
	if running, _ := f.counts(); running != 0 || len(f.lines) != 0 {
		t.Errorf("left: %d, %v", running, f.lines)
	}
}

func TestFairLeavesTheLine(t *testing.T) {
	f := inCompany(t, 1)
	held := mustEnter(t, f, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.enter(ctx, "a", "f", 100, forever); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	// Beyond the room for first ones, another tenant waits as well.
	var firsts []*seat
	for _, tenant := range []string{"b", "c", "d"} {
		firsts = append(firsts, mustEnter(t, f, tenant))
	}
	if _, err := f.enter(t.Context(), "e", "f", 100, time.Millisecond); outcome.Of(err) != outcome.Overloaded {
		t.Errorf("beyond all room: %v", err)
	}
	for _, s := range append(firsts, held) {
		s.leave()
	}
	if running, waiting := f.counts(); running != 0 || waiting != 0 || len(f.lines) != 0 {
		t.Errorf("left: %d, %d, %v", running, waiting, f.lines)
	}
}

// A tenant that has the machine to itself may compute twice as much at once, and
// leaves that as soon as there is another.
func TestFairAlone(t *testing.T) {
	f := newFair(1)
	seats := []*seat{mustEnter(t, f, "a"), mustEnter(t, f, "a")}
	if _, err := f.enter(t.Context(), "a", "f", 100, time.Millisecond); outcome.Of(err) != outcome.Overloaded {
		t.Fatalf("a third one: %v", err)
	}
	seats = append(seats, mustEnter(t, f, "b"))
	seats[0].leave()
	seats[1].leave()
	if _, err := f.enter(t.Context(), "b", "f", 100, time.Millisecond); outcome.Of(err) != outcome.Overloaded {
		t.Errorf("a second one of b's beside a: %v", err)
	}
	f.mu.Lock()
	f.changed = f.changed.Add(-2 * company) // as if so much time had passed
	f.mu.Unlock()
	seats = append(seats, mustEnter(t, f, "b"))
	for _, s := range seats[2:] {
		s.leave()
	}
	if running, waiting := f.counts(); running != 0 || waiting != 0 || len(f.lines) != 0 {
		t.Errorf("left: %d, %d, %v", running, waiting, f.lines)
	}
}

// However turns come and go, none is lost.
func TestFairUnderLoad(t *testing.T) {
	f := newFair(2)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for i := range 200 {
				s, err := f.enter(context.Background(), string(rune('a'+n%5)), "f", 100, time.Duration(1+i%3)*50*time.Microsecond)
				if err != nil {
					continue
				}
				if i%2 == 0 {
					s.wait()
					s.resume()
				}
				s.leave()
			}
		})
	}
	all.Wait()
	if running, waiting := f.counts(); running != 0 || waiting != 0 || len(f.lines) != 0 || len(f.queued) != 0 {
		t.Errorf("left: %d, %d, %v", running, waiting, f.lines)
	}
}
