package snapshots_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/snapshots"
)

const print = "0123456789abcdef0123456789abcdef"

func key(tenant, function, version string) snapshots.Key {
	return snapshots.Key{Tenant: tenant, Function: function, Image: strings.Repeat(version, 32)[:32], Fingerprint: print}
}

func open(t testing.TB, dir string, max int64, keep func(snapshots.Key) bool) *snapshots.Store {
	t.Helper()
	s, err := snapshots.Open(dir, max, keep)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *snapshots.Store, k snapshots.Key, memory []byte, description string) {
	t.Helper()
	d, err := s.Draft(k)
	if err != nil {
		t.Fatal(err)
	}
	for len(memory) > 0 {
		n, err := d.Write(memory[:min(len(memory), 1000)])
		if err != nil {
			t.Fatal(err)
		}
		memory = memory[n:]
	}
	if err := errors.Join(d.Finish([]byte(description)), d.Keep()); err != nil {
		t.Fatal(err)
	}
}

// get returns what a snapshot holds, or "" when there is none.
func get(t testing.TB, s *snapshots.Store, k snapshots.Key) string {
	t.Helper()
	snapshot, err := s.Open(k)
	if errors.Is(err, snapshots.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.File.Close()
	if _, err := snapshot.File.Write([]byte("x")); err == nil {
		t.Error("the file can be written")
	}
	all, err := io.ReadAll(snapshot.File)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(all, snapshot.Description)
	return fmt.Sprintf("%d %s", at, snapshot.Description)
}

func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "snapshots")
	s := open(t, dir, 1<<20, nil)
	a, b := key("acme", "f", "a"), key("acme", "f", "b")
	if got := get(t, s, a); got != "" {
		t.Errorf("an empty store has %q", got)
	}
	put(t, s, a, make([]byte, 8192), "first")
	put(t, s, key("other", "f", "a"), make([]byte, 4096), "other's")
	if got := get(t, s, a); got != "8192 first" {
		t.Errorf("got %q", got)
	}
	// Another image is another snapshot; another fingerprint takes the place.
	if got := get(t, s, b); got != "" {
		t.Errorf("another image has %q", got)
	}
	put(t, s, b, make([]byte, 4096), "second")
	other := b
	other.Fingerprint = strings.Repeat("f", 32)
	put(t, s, other, make([]byte, 4096), "third")
	if get(t, s, a) != "8192 first" || get(t, s, b) != "" || get(t, s, other) != "4096 third" {
		t.Errorf("after the third: %v", files(t, dir))
	}
	if n, _ := s.Size(); n != 3 || len(files(t, dir)) != 3 {
		t.Errorf("%d snapshots in %v", n, files(t, dir))
	}
	s.Remove(b) // gone already: the third stays
	if get(t, s, other) == "" {
		t.Error("removing the second has removed the third")
	}
	s.RemoveFunction("acme", "f", func(image string) bool { return image == a.Image })
	if get(t, s, a) == "" || get(t, s, other) != "" {
		t.Errorf("after the removal of all but the first: %v", files(t, dir))
	}
	s.RemoveFunction("acme", "f", nil)
	if got := files(t, dir); len(got) != 1 || get(t, s, b) != "" {
		t.Errorf("after the removal: %v", got)
	}
}

func TestDraftIsNothingUntilKept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20, nil)
	k := key("acme", "f", "a")
	d, err := s.Draft(k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	d.Discard()
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("a discarded draft left %v", got)
	}
	if d, err = s.Draft(k); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(); err == nil {
		t.Error("a draft without an end was kept")
	}
	for _, bad := range []snapshots.Key{key("../acme", "f", "a"), key("acme", "../f", "a"), key("acme", "f", "/"), {Tenant: "acme", Function: "f", Image: "aaaaaaaaaaaa"}} {
		if _, err := s.Draft(bad); err == nil {
			t.Errorf("%v was begun", bad)
		}
	}
	// What a killed supervisor leaves goes at the next start.
	if _, err = s.Draft(k); err != nil {
		t.Fatal(err)
	}
	if len(files(t, dir)) != 1 {
		t.Fatal("no draft on disk")
	}
	open(t, dir, 1<<20, nil)
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("after a restart: %v", got)
	}
}

func TestBound(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 10_000, nil)
	a, b, c := key("acme", "a", "1"), key("acme", "b", "1"), key("zoo", "c", "1")
	put(t, s, a, make([]byte, 4096), "a")
	put(t, s, b, make([]byte, 4096), "b")
	if get(t, s, a) == "" { // used after b now
		t.Fatal("a is gone")
	}
	put(t, s, c, make([]byte, 4096), "c")
	if get(t, s, a) == "" || get(t, s, b) != "" || get(t, s, c) == "" {
		t.Errorf("left: %v", files(t, dir))
	}
	if n, size := s.Size(); n != 2 || size > 10_000 {
		t.Errorf("%d snapshots of %d bytes", n, size)
	}
	d, err := s.Draft(key("zoo", "d", "1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write(make([]byte, 10_001)); !errors.Is(err, snapshots.ErrTooLarge) {
		t.Errorf("a snapshot over the bound: %v", err)
	}
	d.Discard()
	if get(t, s, a) == "" {
		t.Error("it has pushed out others")
	}
	// A restart with a smaller bound: what was used last stays.
	for name, age := range map[string]time.Duration{"acme/a": time.Hour, "zoo/c": 2 * time.Hour} {
		path := filepath.Join(dir, name+"@11111111111111111111111111111111-"+print)
		if err := os.Chtimes(path, time.Now(), time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir, 5000, nil)
	if get(t, s, a) == "" || get(t, s, c) != "" {
		t.Errorf("after a restart: %v", files(t, dir))
	}
}

// A tenant that fills the folder pushes out its own snapshots first.
func TestBoundIsFair(t *testing.T) {
	s := open(t, t.TempDir(), 50_000, nil)
	modest := key("modest", "f", "1")
	put(t, s, modest, make([]byte, 4096), "modest")
	for n := range 30 {
		put(t, s, key("greedy", fmt.Sprint("f", n), "1"), make([]byte, 4096), "greedy")
	}
	if get(t, s, modest) == "" || get(t, s, key("greedy", "f0", "1")) != "" || get(t, s, key("greedy", "f29", "1")) == "" {
		n, size := s.Size()
		t.Errorf("%d snapshots of %d bytes are left", n, size)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20, nil)
	put(t, s, key("acme", "f", "a"), make([]byte, 4096), "f")
	put(t, s, key("acme", "g", "b"), make([]byte, 4096), "g")
	strange := filepath.Join(dir, "acme", "README")
	if err := os.WriteFile(strange, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 1<<20, func(k snapshots.Key) bool { return k == key("acme", "g", "b") })
	if get(t, s, key("acme", "f", "a")) != "" || get(t, s, key("acme", "g", "b")) != "4096 g" {
		t.Errorf("after a restart: %v", files(t, dir))
	}
	if _, err := os.Stat(strange); err != nil {
		t.Errorf("a file of somebody else: %v", err)
	}
}

// Whatever a disk does to a file, it is found out, said and removed.
func TestDamage(t *testing.T) {
	k := key("acme", "f", "a")
	for name, damage := range map[string]func(b []byte) []byte{
		"cut":              func(b []byte) []byte { return b[:len(b)-1] },
		"cut short":        func(b []byte) []byte { return b[:10] },
		"empty":            func(b []byte) []byte { return nil },
		"longer":           func(b []byte) []byte { return append(b, 0) },
		"a bit of memory":  func(b []byte) []byte { b[5000] ^= 4; return b },
		"a description":    func(b []byte) []byte { b[8192] ^= 1; return b },
		"the magic":        func(b []byte) []byte { b[len(b)-24] ^= 1; return b },
		"a length":         func(b []byte) []byte { b[len(b)-16] ^= 1; return b },
		"both lengths":     func(b []byte) []byte { b[len(b)-16]++; b[len(b)-8]--; return b },
		"the checksum":     func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
		"another file":     func(b []byte) []byte { return []byte(strings.Repeat("not a snapshot ", 1000)) },
		"a page of zeroes": func(b []byte) []byte { clear(b[4096:8192]); return b },
	} {
		dir := t.TempDir()
		s := open(t, dir, 1<<20, nil)
		put(t, s, k, bytes.Repeat([]byte("memory! "), 1024), "description")
		path := filepath.Join(dir, files(t, dir)[0])
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(path), os.WriteFile(path, damage(b), 0o600)); err != nil {
			t.Fatal(err)
		}
		_, err = s.Open(k)
		var damaged *snapshots.DamagedError
		if !errors.As(err, &damaged) || damaged.Path != path {
			t.Errorf("%s: %v", name, err)
		}
		if got := files(t, dir); len(got) != 0 || get(t, s, k) != "" {
			t.Errorf("%s: it is still there: %v", name, got)
		}
	}
}

// A sound file under another's name is not what the name says, be it another
// function's or another tenant's.
func TestMovedFile(t *testing.T) {
	for _, to := range []snapshots.Key{key("acme", "g", "a"), key("other", "f", "a")} {
		dir := t.TempDir()
		s := open(t, dir, 1<<20, nil)
		put(t, s, key("acme", "f", "a"), make([]byte, 4096), "f")
		put(t, s, to, make([]byte, 4096), "g")
		if err := os.Rename(filepath.Join(dir, "acme", "f@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-"+print), filepath.Join(dir, to.Tenant, to.Function+"@"+strings.Repeat("a", 32)+"-"+print)); err != nil {
			t.Fatal(err)
		}
		var damaged *snapshots.DamagedError
		if _, err := s.Open(to); !errors.As(err, &damaged) {
			t.Errorf("%v: got %v", to, err)
		}
	}
}

func TestDeletedByHand(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20, nil)
	k := key("acme", "f", "a")
	put(t, s, k, make([]byte, 4096), "f")
	if err := os.RemoveAll(filepath.Join(dir, "acme")); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, k); got != "" {
		t.Errorf("got %q", got)
	}
	put(t, s, k, make([]byte, 4096), "again")
	if got := get(t, s, k); got != "4096 again" {
		t.Errorf("got %q", got)
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshots.Open(filepath.Join(dir, "file"), 1<<20, nil); err == nil {
		t.Error("a file was opened as a folder")
	}
	s := open(t, filepath.Join(dir, "snapshots"), 1<<20, nil)
	k := key("acme", "f", "a")
	d, err := s.Draft(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Finish([]byte("d")), os.WriteFile(filepath.Join(dir, "snapshots", "acme"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(); err == nil {
		t.Error("kept below a file")
	}
	if n, size := s.Size(); n != 0 || size != 0 {
		t.Errorf("%d snapshots of %d bytes", n, size)
	}
	if err := os.RemoveAll(filepath.Join(dir, "snapshots")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Draft(k); err == nil {
		t.Error("a draft in a folder that is gone")
	}
}

// FuzzOpen: whatever is in a file, opening it ends with an error or with what the
// file holds.
func FuzzOpen(f *testing.F) {
	k := key("acme", "f", "a")
	dir := f.TempDir()
	s := open(f, dir, 1<<20, nil)
	put(f, s, k, bytes.Repeat([]byte("m"), 4096), "description")
	path := filepath.Join(dir, files(f, dir)[0])
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-24])
	f.Add(good[len(good)-24:])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "acme", filepath.Base(path))
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, 1<<30, nil)
		snapshot, err := s.Open(k)
		if err != nil {
			return
		}
		defer snapshot.File.Close()
		if len(snapshot.Description) > len(b) || !bytes.Contains(b, snapshot.Description) {
			t.Errorf("a description of %d bytes in a file of %d", len(snapshot.Description), len(b))
		}
	})
}

// BenchmarkOpen opens a snapshot for the first time after a start, and again.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{5 << 20, 18 << 20} {
		dir := b.TempDir()
		s := open(b, dir, 1<<30, nil)
		k := key("acme", "f", "a")
		put(b, s, k, make([]byte, size), "description")
		open1 := func(b *testing.B) {
			snapshot, err := s.Open(k)
			if err != nil {
				b.Fatal(err)
			}
			_ = snapshot.File.Close()
		}
		b.Run(fmt.Sprintf("first/%dMiB", size>>20), func(b *testing.B) {
			for b.Loop() {
				s = open(b, dir, 1<<30, nil)
				open1(b)
			}
		})
		b.Run(fmt.Sprintf("again/%dMiB", size>>20), func(b *testing.B) {
			for b.Loop() {
				open1(b)
			}
		})
	}
}
