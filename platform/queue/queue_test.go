package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/platformtest"
	"github.com/bulkhead-run/bulkhead/platform/queue"
	"github.com/bulkhead-run/bulkhead/value"
)

type object = map[string]any

func open(t testing.TB, dir string, o queue.Options) (q *queue.Queues, close func()) {
	t.Helper()
	data, err := store.OpenData(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	o.Data = data
	close = sync.OnceFunc(func() {
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(close)
	return queue.New(o), close
}

func caller(t testing.TB, q *queue.Queues, tenant string) *platformtest.Caller {
	return &platformtest.Caller{T: t, APIs: []platform.API{q.API()}, Tenant: tenant, Function: "f"}
}

// consume runs a consumer until stop is called or the test ends, whichever
// is first.
func consume(t testing.TB, q *queue.Queues, tenant, name string, o queue.ConsumerOptions, handle queue.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := q.Consume(ctx, tenant, name, o, handle); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was received in time")
		panic("")
	}
}

func TestSendAndConsume(t *testing.T) {
	dir := t.TempDir()
	q, closeQueues := open(t, dir, queue.Options{})
	c := caller(t, q, "acme")
	want := []any{object{"n": 1}, "text", nil, math.Inf(1), []byte{1, 2}}
	ids := map[string]bool{}
	for _, v := range want {
		id, _ := c.Must("queue.send", "mail", v).(*value.Object).Get("id")
		ids[id.(string)] = true
	}
	if len(ids) != len(want) || c.Seen.Name != "mail" {
		t.Errorf("ids %v, attributes %+v", ids, c.Seen)
	}
	// They survive a restart.
	closeQueues()
	q, _ = open(t, dir, queue.Options{})
	got := make(chan queue.Message, 10)
	consume(t, q, "acme", "mail", queue.ConsumerOptions{Batch: 2}, func(_ context.Context, batch []queue.Message) error {
		if len(batch) > 2 {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, m := range batch {
			got <- m
		}
		return nil
	})
	for _, w := range want {
		m := receive(t, got)
		wire, err := value.Encode(w)
		if err != nil {
			t.Fatal(err)
		}
		if !ids[m.ID] || m.Queue != "mail" || m.Attempts != 1 || !reflect.DeepEqual(m.Value, wire) || time.Since(m.Sent) > time.Minute {
			t.Errorf("got %+v, want %s", m, wire)
		}
	}
}

func TestRetriesAndDeadLetter(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	c := caller(t, q, "acme")
	c.Must("queue.send", "jobs", "bad")
	c.Must("queue.send", "jobs", "good")
	type attempt struct {
		value string
		n     int
	}
	got := make(chan attempt, 10)
	consume(t, q, "acme", "jobs", queue.ConsumerOptions{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond},
		func(_ context.Context, batch []queue.Message) error {
			failed := queue.Failed{}
			for _, m := range batch {
				got <- attempt{string(m.Value), m.Attempts}
				if string(m.Value) == `"bad"` {
					failed[m.ID] = errors.New("no\r\nNats-Header: good")
				}
			}
			return failed
		})
	tries := map[attempt]int{}
	for range 4 {
		tries[receive(t, got)]++
	}
	want := map[attempt]int{{`"bad"`, 1}: 1, {`"bad"`, 2}: 1, {`"bad"`, 3}: 1, {`"good"`, 1}: 1}
	if !reflect.DeepEqual(tries, want) {
		t.Errorf("got %v, want %v", tries, want)
	}
	var letters []queue.DeadLetter
	for deadline := time.Now().Add(10 * time.Second); len(letters) == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		var err error
		if letters, err = q.DeadLetters(t.Context(), "acme", "jobs", 10); err != nil {
			t.Fatal(err)
		}
	}
	if len(letters) != 1 || string(letters[0].Value) != `"bad"` || letters[0].Attempts != 3 || letters[0].Reason != "no  Nats-Header: good" {
		t.Errorf("dead letters: %+v", letters)
	}
	if other, err := q.DeadLetters(t.Context(), "other", "jobs", 10); err != nil || len(other) != 0 {
		t.Errorf("another tenant's dead letters: %v, %v", other, err)
	}
}

// A consumer that dies over a message gets it again, and not for ever.
func TestMessageThatKills(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	caller(t, q, "acme").Must("queue.send", "jobs", 1)
	tries := make(chan int, 10)
	consume(t, q, "acme", "jobs", queue.ConsumerOptions{MaxAttempts: 2, Backoff: time.Millisecond}, func(_ context.Context, batch []queue.Message) error {
		tries <- batch[0].Attempts
		panic("boom")
	})
	if a, b := receive(t, tries), receive(t, tries); a != 1 || b != 2 {
		t.Errorf("attempts %d, %d", a, b)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		letters, err := q.DeadLetters(t.Context(), "acme", "jobs", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(letters) == 1 && letters[0].Reason == "panic: boom" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("dead letters: %+v", letters)
		}
	}
}

// What a consumer was handed when it stopped, the next one gets.
func TestStoppedConsumer(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	caller(t, q, "acme").Must("queue.send", "jobs", 1)
	started := make(chan bool, 1)
	o := queue.ConsumerOptions{Backoff: time.Millisecond}
	stop := consume(t, q, "acme", "jobs", o, func(ctx context.Context, _ []queue.Message) error {
		started <- true
		<-ctx.Done()
		return ctx.Err()
	})
	receive(t, started)
	stop()
	got := make(chan int, 1)
	consume(t, q, "acme", "jobs", o, func(_ context.Context, batch []queue.Message) error {
		got <- batch[0].Attempts
		return nil
	})
	if n := receive(t, got); n != 2 {
		t.Errorf("attempt %d", n)
	}
}

// A handler may take longer than the visibility of its messages.
func TestLongHandler(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	caller(t, q, "acme").Must("queue.send", "jobs", 1)
	tries := make(chan int, 10)
	finish := make(chan bool)
	consume(t, q, "acme", "jobs", queue.ConsumerOptions{Visibility: 100 * time.Millisecond}, func(_ context.Context, batch []queue.Message) error {
		tries <- batch[0].Attempts
		<-finish
		return nil
	})
	receive(t, tries)
	second := make(chan int, 10)
	consume(t, q, "acme", "jobs", queue.ConsumerOptions{Visibility: 100 * time.Millisecond}, func(_ context.Context, batch []queue.Message) error {
		second <- batch[0].Attempts
		return nil
	})
	select {
	case n := <-second:
		t.Errorf("attempt %d began during the first", n)
	case <-time.After(500 * time.Millisecond): // five times its visibility
	}
	close(finish)
}

func TestDelay(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	c := caller(t, q, "acme")
	sent := time.Now()
	c.Must("queue.send", "jobs", "late", object{"delay": 1})
	c.Must("queue.send", "jobs", "now", object{"delay": 0})
	type arrival struct {
		m  queue.Message
		at time.Time
	}
	got := make(chan arrival, 10)
	consume(t, q, "acme", "jobs", queue.ConsumerOptions{}, func(_ context.Context, batch []queue.Message) error {
		for _, m := range batch {
			got <- arrival{m, time.Now()}
		}
		return nil
	})
	if a := receive(t, got); string(a.m.Value) != `"now"` {
		t.Errorf("first: %s", a.m.Value)
	}
	if a := receive(t, got); string(a.m.Value) != `"late"` || a.m.ID == "" || a.at.Sub(sent) < time.Second {
		t.Errorf("second: %s after %v", a.m.Value, a.at.Sub(sent))
	}
}

func TestQuotas(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{MaxMessages: 5, MaxBytes: 10_000, MaxMessage: 9000, MaxRate: 1000})
	c := caller(t, q, "acme")
	for i := range 5 {
		c.Must("queue.send", "jobs", i)
	}
	e := c.Fails("QuotaExceededError", "queue.send", "jobs", 6)
	if e.Properties["limit"] != int64(5) || e.Properties["used"] != int64(5) {
		t.Errorf("got %v", e.Properties)
	}
	caller(t, q, "other").Must("queue.send", "jobs", 1)
	// What is consumed makes room.
	done := make(chan bool, 10)
	stop := consume(t, q, "acme", "jobs", queue.ConsumerOptions{Batch: 1}, func(context.Context, []queue.Message) error {
		done <- true
		return nil
	})
	for range 5 {
		receive(t, done)
	}
	stop()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := c.Call("queue.send", "jobs", strings.Repeat("x", 8000)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no room")
		}
	}
	c.Fails("QuotaExceededError", "queue.send", "jobs", strings.Repeat("x", 8000))
}

func TestRate(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{MaxRate: 1})
	c := caller(t, q, "acme")
	for range 2 {
		c.Must("queue.send", "jobs", 1)
	}
	e := c.Fails("QuotaExceededError", "queue.send", "jobs", 1)
	resets, _ := e.Properties["resets"].(int64)
	if wait := time.Until(time.UnixMilli(resets)); wait > 2*time.Second || wait < -time.Minute {
		t.Errorf("resets in %v", wait)
	}
}

func TestWrongArguments(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	c := caller(t, q, "acme")
	for _, w := range []struct {
		names string
		args  []any
	}{
		{"name", nil}, {"name", []any{1, 1}}, {"name", []any{"", 1}}, {"name", []any{strings.Repeat("n", 64), 1}},
		{"name", []any{"a.b", 1}}, {"name", []any{"*", 1}}, {"name", []any{">", 1}}, {"name", []any{"../x", 1}},
		{"name", []any{"a\x00b", 1}}, {"name", []any{"é", 1}}, {"name", []any{"a b", 1}}, {"name", []any{"-a", 1}},
		{"message", []any{"jobs"}}, {"message", []any{"jobs", strings.Repeat("x", 128<<10)}},
		{"delay", []any{"jobs", 1, object{"delay": -1}}}, {"delay", []any{"jobs", 1, object{"delay": 86401}}},
		{"delay", []any{"jobs", 1, object{"delay": "1"}}}, {"ttl", []any{"jobs", 1, object{"ttl": 1}}},
	} {
		e := c.Fails("TypeError", "queue.send", w.args...)
		if !strings.Contains(e.Message, w.names) {
			t.Errorf("%.80v: %q does not name %s", w.args, e.Message, w.names)
		}
	}
	for _, name := range []string{"", "a.b", "*", ">"} {
		if err := q.Consume(t.Context(), "acme", name, queue.ConsumerOptions{}, nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("consume %q: %v", name, err)
		}
		if err := q.Consume(t.Context(), "a.b", "jobs", queue.ConsumerOptions{}, nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("consume of tenant a.b: %v", err)
		}
	}
}

func TestDeleteTenant(t *testing.T) {
	q, _ := open(t, t.TempDir(), queue.Options{})
	a, b := caller(t, q, "acme"), caller(t, q, "other")
	a.Must("queue.send", "jobs", "of acme")
	b.Must("queue.send", "jobs", "of other")
	if err := q.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	a.Must("queue.send", "jobs", "new")
	for tenant, want := range map[string]string{"acme": `"new"`, "other": `"of other"`} {
		got := make(chan string, 10)
		consume(t, q, tenant, "jobs", queue.ConsumerOptions{}, func(_ context.Context, batch []queue.Message) error {
			for _, m := range batch {
				got <- string(m.Value)
			}
			return nil
		})
		if v := receive(t, got); v != want {
			t.Errorf("%s got %s", tenant, v)
		}
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 3 {
		q, closeQueues := open(t, t.TempDir(), queue.Options{})
		caller(t, q, "acme").Must("queue.send", "jobs", 1)
		got := make(chan bool, 1)
		stop := consume(t, q, "acme", fmt.Sprint("jobs", i), queue.ConsumerOptions{}, func(context.Context, []queue.Message) error { return nil })
		stopJobs := consume(t, q, "acme", "jobs", queue.ConsumerOptions{}, func(context.Context, []queue.Message) error {
			got <- true
			return nil
		})
		receive(t, got)
		stop()
		stopJobs()
		closeQueues()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
