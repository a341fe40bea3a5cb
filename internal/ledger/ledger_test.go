package ledger

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(Options{Dir: dir, Keep: 48 * time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func sums(t *testing.T, l *Ledger) map[Key]Totals {
	t.Helper()
	all := make(map[Key]Totals)
	err := l.Read(time.Time{}, time.Now().Add(time.Hour), "", "", func(k Key, n *Totals) {
		sum := all[k]
		sum.Add(n)
		all[k] = sum
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var one = Invocation{
	Outcome: "ok", Cold: true, Wall: 5 * time.Millisecond, Queued: time.Millisecond, CPU: 2 * time.Millisecond, Memory: 1 << 20, Ran: 4 * time.Millisecond,
	Calls: []Call{{"kv.get", CallTotals{Count: 2, Failed: 1, Denied: 1, Time: time.Millisecond, Sent: 3, Received: 4}}},
}

// Sums are exact, whatever is in memory, in lines of the hour, and in sums of
// hours that are over; and a process that is killed loses what was not written.
func TestSumsAreExact(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	hours := []time.Time{now, now.Add(-3 * time.Hour)}
	l := open(t, dir)
	for n := range 30 {
		for _, at := range hours {
			l.Add("acme", "f", &one, at)
			l.Add("acme", "g", &Invocation{Outcome: "deadline"}, at)
		}
		switch n {
		case 5, 10, 15:
			if err := l.flush(); err != nil {
				t.Fatal(err)
			}
		case 12:
			l.tidy(now)
		}
	}
	want := Totals{
		Outcomes: map[string]uint64{"ok": 30}, Cold: 30, Wall: 150 * time.Millisecond, Queued: 30 * time.Millisecond, CPU: 60 * time.Millisecond, Memory: 30 * 1024 * 4,
		Calls: map[string]*CallTotals{"kv.get": {60, 30, 30, 30 * time.Millisecond, 90, 120}},
	}
	check := func(what string, l *Ledger) {
		t.Helper()
		got := sums(t, l)
		for _, at := range hours {
			key := Key{at.UTC().Truncate(time.Hour), "acme", "f"}
			if n := got[key]; !reflect.DeepEqual(n, want) {
				t.Errorf("%s: %v: %+v", what, key, n)
			}
			key.Function = "g"
			if n := got[key]; n.Outcomes["deadline"] != 30 {
				t.Errorf("%s: %v: %+v", what, key, n)
			}
		}
	}
	check("open", l)
	killed := open(t, dir) // beside the first, which has not written everything
	if n := sums(t, killed)[Key{now.UTC().Truncate(time.Hour), "acme", "f"}]; n.Outcomes["ok"] != 16 {
		t.Errorf("a second process sees %d", n.Outcomes["ok"])
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	check("opened again", again)
	again.tidy(now)
	check("tidied", again)
	if all, errors := want.Invocations(); all != 30 || errors != 0 {
		t.Error(all, errors)
	}
}

// A line that was not written whole counts for nothing, and hides none.
func TestTornLine(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UTC()
	l := open(t, dir)
	l.Add("acme", "f", &one, now)
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	path := l.path(now)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(whole); cut += 7 {
		if err := os.WriteFile(path, append(slices.Clone(whole), whole[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		l.Add("acme", "f", &one, now)
		if err := l.flush(); err != nil {
			t.Fatal(err)
		}
		n := sums(t, l)[Key{now.Truncate(time.Hour), "acme", "f"}]
		if n.Outcomes["ok"] != 2 && !(cut >= len(whole)-1 && n.Outcomes["ok"] == 3) {
			t.Fatalf("cut at %d: %d", cut, n.Outcomes["ok"])
		}
	}
}

// What cannot be written is kept until it can, and counted once.
func TestDiskThatFails(t *testing.T) {
	dir, now := filepath.Join(t.TempDir(), "usage"), time.Now().UTC()
	l := open(t, dir)
	l.Add("acme", "f", &one, now)
	blocked := l.path(now)
	if err := os.Mkdir(blocked, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if l.flush() == nil {
			t.Fatal("it wrote into a directory")
		}
		l.Add("acme", "f", &one, now)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if n := sums(t, l)[Key{now.Truncate(time.Hour), "acme", "f"}]; n.Outcomes["ok"] != 4 {
		t.Errorf("%d", n.Outcomes["ok"])
	}
}

func TestOldHoursGo(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	l := open(t, dir)
	for _, age := range []time.Duration{0, 40 * time.Hour, 60 * time.Hour} {
		l.Add("acme", "f", &one, now.Add(-age))
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	l.tidy(now)
	if got := sums(t, l); len(got) != 2 {
		t.Errorf("%v", got)
	}
	memory := open(t, "")
	memory.Add("acme", "f", &one, now)
	memory.Add("acme", "f", &one, now.Add(-60*time.Hour))
	if err := memory.flush(); err != nil || len(sums(t, memory)) != 1 {
		t.Errorf("%v, %v", sums(t, memory), err)
	}
}

func BenchmarkAdd(b *testing.B) {
	l, err := Open(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		l.Add("acme", "f", &one, now)
	}
}
