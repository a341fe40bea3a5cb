package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// streamDir is where JetStream keeps the messages of a bucket.
func streamDir(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs")
}

// loseIndex removes what JetStream would rather read than its blocks.
func loseIndex(t *testing.T, dir, stream string) {
	t.Helper()
	if err := os.Remove(filepath.Join(streamDir(dir, stream), "index.db")); err != nil {
		t.Fatal(err)
	}
}

// JetStream cuts a damaged block off at the damage when its index is lost, and
// says nothing. What stood behind is not lost, and no code is removed.
func TestCutOffRecordsComeBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	var want []*store.Version
	for n := range 20 {
		want = append(want, putFunction(t, s, "acme", fmt.Sprint("f", n), fmt.Sprint("v-", n), fmt.Sprint("code ", n)))
	}
	putFunction(t, s, "acme", "gone", "v1", "gone")
	if err := s.DeleteFunction(t.Context(), "acme", "gone"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, streamDir(dir, "KV_registry"), `"v-7"`)
	loseIndex(t, dir, "KV_registry")

	var log bytes.Buffer
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if all, err := s.Functions("acme"); err != nil || len(all) != len(want) {
			t.Fatalf("round %d: %d functions, %v; want %d", round, len(all), err, len(want))
		}
		for n, f := range want {
			wantLive(t, s, f)
			wantCode(t, s, "acme", f.Function, fmt.Sprint("code ", n))
		}
		if round == 0 {
			if len(s.Restored()) < 13 || !strings.Contains(log.String(), "function.acme.f19 was lost") {
				t.Errorf("restored %q; the log:\n%s", s.Restored(), &log)
			}
			s = reopen(t, s, dir)
		} else if len(s.Restored()) != 0 {
			t.Errorf("restored again: %q", s.Restored())
		}
	}
	putFunction(t, s, "acme", "f3", "v-new", "new")
	s = reopen(t, s, dir)
	wantCode(t, s, "acme", "f3", "new")
}

// A bucket that is cut off may also bring back what was deleted or replaced.
func TestCutOffDeletionsStay(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "kept", "v1", "kept")
	putFunction(t, s, "acme", "gone", "v1", "gone")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	putFunction(t, s, "acme", "kept", "v2", "kept")
	if err := s.DeleteFunction(t.Context(), "acme", "gone"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as deleted in this process's time, and before
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(dir, "jetstream"), os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
		if f, err := live(s, "acme", "kept"); err != nil || f.Policy != "v2" {
			t.Errorf("kept: %+v, %v", f, err)
		}
		_, err := s.Function("acme", "gone")
		wantError(t, err, store.ErrNotFound, "acme/gone")
		wantCode(t, s, "acme", "kept", "kept")
	}
}

// Code whose file is cut off is missed at the start, and said.
func TestCutOffCodeIsTold(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	for n := range 5 {
		putFunction(t, s, "acme", fmt.Sprint("f", n), "v1", fmt.Sprint("the-code-", n))
	}
	putFunction(t, s, "acme", "unused", "v1", "unused")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	flip(t, streamDir(dir, "OBJ_code"), "the-code-2")
	loseIndex(t, dir, "OBJ_code")
	var log bytes.Buffer
	s, err := store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if lost := s.LostCode(); len(lost) < 3 || !strings.Contains(log.String(), "function=f3") {
		t.Errorf("lost: %v; the log:\n%s", lost, &log)
	}
	wantCode(t, s, "acme", "f1", "the-code-1")
	f, err := live(s, "acme", "f3")
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Code(t.Context(), "acme", f.Digest)
	wantError(t, err, store.ErrCorrupt, f.Digest)
	putFunction(t, s, "acme", "f3", "v1", "the-code-3")
	wantCode(t, s, "acme", "f3", "the-code-3")
}

// A registry of the first format has no journal: it gets one. One of this
// format must have it.
func TestJournalBegins(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "f", "v1", "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	journal, format := filepath.Join(dir, "journal"), filepath.Join(dir, "format")
	rewrite := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(journal)
	if err != nil || !strings.Contains(string(whole), "function.acme.f") {
		t.Fatalf("%q, %v", whole, err)
	}
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), store.Options{Dir: dir})
	wantError(t, err, store.ErrCorrupt, journal, "missing", "restore", "--repair")
	rewrite(format, "1\n")
	s = open(t, dir)
	wantCode(t, s, "acme", "f", "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(format); err != nil || string(text) != "3\n" {
		t.Errorf("the format is %q, %v", text, err)
	}
	for what, text := range map[string]string{
		"empty":           "",
		"a flipped bit":   strings.Replace(string(whole), `acme`, `acmd`, 1),
		"no first line":   string(whole[bytes.IndexByte(whole, '\n')+1:]),
		"not ours at all": "x\ny\nz\n",
	} {
		rewrite(journal, text)
		_, err := store.Open(t.Context(), store.Options{Dir: dir})
		wantError(t, err, store.ErrCorrupt, journal, "restore", "--repair")
		if t.Failed() {
			t.Fatal(what)
		}
	}
	// What a crash leaves of a write.
	for _, text := range []string{string(whole[:len(whole)-3]), string(whole) + "123", string(whole) + "12345678 {}\n"} {
		rewrite(journal, text)
		s := open(t, dir)
		wantCode(t, s, "acme", "f", "one")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(journal, "")
	s, err = store.Open(t.Context(), store.Options{Dir: dir, Repair: true})
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	wantCode(t, s, "acme", "f", "one")
}

// The journal stays small, however much is deployed.
func TestJournalIsRewritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	spec := spec("acme", "f", "v")
	spec.Policy = strings.Repeat("p", 250)
	for n := range 600 {
		spec.Memory = int64(n)
		if _, err := replace(t.Context(), s, spec, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "journal")); err != nil || info.Size() > 300<<10 {
		t.Errorf("%v, %v", info, err)
	}
	s = reopen(t, s, dir)
	if f, err := live(s, "acme", "f"); err != nil || f.Memory != 599 || len(s.Restored()) != 0 {
		t.Errorf("%+v, %v, %v", f, err, s.Restored())
	}
}
