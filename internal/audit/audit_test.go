package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/audit"
)

func open(t *testing.T, o audit.Options) *audit.Log {
	t.Helper()
	before := runtime.NumGoroutine()
	o.Logger = slog.New(slog.DiscardHandler)
	l, err := audit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	})
	return l
}

func read(t *testing.T, path string) (entries []audit.Entry) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var e audit.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%q: %v", lines.Bytes(), err)
		}
		entries = append(entries, e)
	}
	return entries
}

// hostile would forge an entry, and act on a terminal.
const hostile = "no\nnew\x1b[31mline\x7f\u009b2J\u202e\u2028\",\"tenant\":\"other"

func TestEntriesAreLinesOfAPrivateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := open(t, audit.Options{Dir: dir})
	l.Record(&audit.Entry{Tenant: "acme", API: "fetch", Action: "deny", Reason: hostile})
	l.Record(&audit.Entry{Tenant: "acme", API: "kv.get", Action: "allow"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.jsonl")
	entries := read(t, path)
	if len(entries) != 2 || entries[0].API != "fetch" || entries[1].Action != "allow" || entries[0].Reason != hostile {
		t.Errorf("read %+v", entries)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.ContainsAny(data, "\x1b\x7f\u009b\u202e\u2028") || bytes.Count(data, []byte("\n")) != 2 {
		t.Errorf("an escape sequence reached the file, or %v:\n%q", err, data)
	}
	l.Record(&audit.Entry{}) // after Close: lost, and no harm
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	l := open(t, audit.Options{Dir: dir, MaxSize: 1, Keep: 2})
	text := strings.Repeat("a", 64<<10)
	for range 16 * 5 {
		l.Record(&audit.Entry{Reason: text})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) < 2 || len(files) > 3 {
		t.Fatalf("files %v, %v; want 2 or 3", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 1<<20+128<<10 {
			t.Errorf("%s has %d bytes, %v", f, info.Size(), err)
		}
	}
}

func TestFollow(t *testing.T) {
	l := open(t, audit.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string, 16)
	var ended sync.WaitGroup
	ended.Go(func() {
		err := l.Follow(ctx, audit.Filter{Tenant: "acme", Action: "deny"}, func(line []byte) error {
			got <- string(line)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	// The follower is there as soon as it sees something.
	for seen := false; !seen; {
		l.Record(&audit.Entry{Tenant: "acme", Action: "deny", API: "first"})
		select {
		case <-got:
			seen = true
		case <-time.After(time.Millisecond):
		}
	}
	l.Record(&audit.Entry{Tenant: "other", Action: "deny", API: "not this"})
	l.Record(&audit.Entry{Tenant: "acme", Action: "allow", API: "nor this"})
	l.Record(&audit.Entry{Tenant: "acme", Action: "deny", API: "this"})
	for line := range got {
		if strings.Contains(line, `"this"`) {
			break
		}
		if !strings.Contains(line, `"first"`) {
			t.Errorf("followed %s", line)
		}
	}
	cancel()
	ended.Wait()

	gone := errors.New("gone")
	left := make(chan error)
	go func() { left <- l.Follow(t.Context(), audit.Filter{}, func([]byte) error { return gone }) }()
	for done := false; !done; {
		l.Record(&audit.Entry{})
		select {
		case err := <-left:
			if done = true; !errors.Is(err, gone) {
				t.Errorf("a follower whose reader has gone: %v", err)
			}
		case <-time.After(time.Millisecond):
		}
	}
	go func() { left <- l.Follow(t.Context(), audit.Filter{API: "never"}, func([]byte) error { return nil }) }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-left; err != nil {
		t.Errorf("a follower at the log's end: %v", err)
	}
}

// A follower that does not read loses entries and is told how many; nobody
// waits for it.
func TestSlowFollower(t *testing.T) {
	l := open(t, audit.Options{})
	var once, end sync.Once
	stuck, free := make(chan struct{}), make(chan struct{})
	var seen, lost uint64
	var ended sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	last := make(chan struct{})
	ended.Go(func() {
		_ = l.Follow(ctx, audit.Filter{}, func(line []byte) error {
			once.Do(func() { close(stuck) })
			<-free
			var e audit.Entry
			if err := json.Unmarshal(line, &e); err != nil {
				t.Error(err)
			}
			if e.Lost > 0 {
				lost += e.Lost
			} else if e.API == "last" {
				end.Do(func() { close(last) })
			} else {
				seen++
			}
			return nil
		})
	})
	sent := uint64(0)
	for started := false; !started; {
		l.Record(&audit.Entry{})
		sent++
		select {
		case <-stuck:
			started = true
		default:
			runtime.Gosched()
		}
	}
	for range 5000 {
		l.Record(&audit.Entry{})
		sent++
	}
	close(free)
	// One more is needed to carry the number of those that are missing; it
	// may be dropped itself while the follower catches up.
	for done := false; !done; {
		select {
		case <-last:
			done = true
		case <-time.After(time.Millisecond):
			l.Record(&audit.Entry{API: "last"})
		}
	}
	cancel()
	ended.Wait()
	if lost == 0 || seen == sent {
		t.Errorf("of %d entries %d were seen and %d are said to be lost", sent, seen, lost)
	}
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(audit.Options{Dir: filepath.Join(file, "audit")}); err == nil {
		t.Error("it was opened")
	}
}

func BenchmarkRecord(b *testing.B) {
	l, err := audit.Open(audit.Options{Dir: b.TempDir(), MaxSize: 1024, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for b.Loop() {
		l.Record(&audit.Entry{Time: time.Now(), Tenant: "acme", Function: "f", Invocation: "id", API: "kv.get", Action: "allow", Policy: "data", Rule: "rules[0]"})
	}
}
