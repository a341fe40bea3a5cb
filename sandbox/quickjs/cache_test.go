package quickjs

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// A cache may be cut short, emptied or mixed up by whatever happens to disks:
// the engine notices, fills it anew and works.
func TestDamagedCache(t *testing.T) {
	dir := t.TempDir()
	start := func() {
		t.Helper()
		e, err := NewEngine(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	code := func() string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("the cache's files: %v, %v", files, err)
		}
		return files[0]
	}
	outline := filepath.Join(dir, outlineName)
	start()
	for name, damage := range map[string]func() error{
		"outline cut":     func() error { return os.Truncate(outline, 1000) },
		"outline empty":   func() error { return os.Truncate(outline, 0) },
		"outline other":   func() error { return os.WriteFile(outline, wasmHeader, 0o600) },
		"outline lost":    func() error { return os.Remove(outline) },
		"code cut":        func() error { return os.Truncate(code(), 10_000) },
		"code empty":      func() error { return os.Truncate(code(), 0) },
		"code lost":       func() error { return os.Remove(code()) },
		"everything lost": func() error { return os.RemoveAll(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			start()
			start() // now with what the first one left
			if readCache(dir) == nil {
				t.Error("the cache has not been filled again")
			}
			left, err := filepath.Glob(filepath.Join(dir, "fill-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestCacheFilledByManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			e, err := NewEngine(context.Background(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Engines share their machine code: it is a file's, whatever became of the file
// before.
func TestSharedCode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, codeName)
	start := func() {
		t.Helper()
		e, err := NewEngine(context.Background(), dir)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile("/proc/self/maps")
		if err != nil || !regexp.MustCompile(`r-xp .*`+regexp.QuoteMeta(path)+"\n").Match(text) {
			t.Errorf("the code is not the file's: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	start()
	want, err := os.ReadFile(path)
	if err != nil || len(want) < leastCode {
		t.Fatalf("the file has %d bytes, %v", len(want), err)
	}
	for name, damage := range map[string]func() error{
		"lost": func() error { return os.Remove(path) },
		"cut":  func() error { return replace(path, want[:len(want)/2]) },
		"other": func() error {
			other := bytes.Clone(want)
			other[len(other)/2] ^= 1
			return replace(path, other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := damage(); err != nil {
				t.Fatal(err)
			}
			start()
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the file has %d bytes that are not those %d, %v", len(got), len(want), err)
			}
		})
	}
}

// replace puts another file in the place of one that processes use.
func replace(path string, data []byte) error {
	return errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
}

// What a mapping was before is told apart, also where Linux has made one of it
// and its neighbour.
func TestCodeBesideOthers(t *testing.T) {
	for _, c := range []struct{ segments, others, want []segment }{
		{[]segment{{10, 20}}, nil, []segment{{10, 20}}},
		{[]segment{{10, 20}, {30, 40}}, []segment{{10, 20}}, []segment{{30, 40}}},
		{[]segment{{10, 30}}, []segment{{10, 20}}, []segment{{20, 30}}},
		{[]segment{{10, 30}}, []segment{{20, 30}}, []segment{{10, 20}}},
		{[]segment{{10, 60}}, []segment{{20, 30}, {40, 50}}, []segment{{10, 20}, {30, 40}, {50, 60}}},
		{[]segment{{10, 20}}, []segment{{5, 15}, {15, 25}}, nil},
		{[]segment{{10, 20}}, []segment{{0, 10}, {20, 30}}, []segment{{10, 20}}},
	} {
		if got := without(c.segments, c.others); !slices.Equal(got, c.want) {
			t.Errorf("%v without %v is %v, want %v", c.segments, c.others, got, c.want)
		}
	}
}
