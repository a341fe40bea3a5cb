package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// change changes acme/f.
func change(t *testing.T, s *store.Store, do func(*store.Function)) (*store.Function, error) {
	t.Helper()
	f, _, err := s.ChangeFunction(t.Context(), "acme", "f", func(f *store.Function) error {
		do(f)
		return nil
	})
	return f, err
}

func putVersion(t *testing.T, s *store.Store, mark, code, environment string) *store.Version {
	t.Helper()
	v, p := spec("acme", "f", mark), store.Parts{Code: []byte(code), Environment: []byte(environment)}
	v.Seal(p)
	made, err := s.PutVersion(t.Context(), v, p)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	one := putVersion(t, s, "v1", "code", `{"A":"1"}`)
	if _, err := s.Function("acme", "f"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a version made a function: %v", err)
	}
	if _, err := change(t, s, func(f *store.Function) { f.Aliases[store.Live] = one.Version }); err != nil {
		t.Fatal(err)
	}
	// The same code with another environment: the code is not needed again.
	next := *one
	next.SealEnvironment([]byte(`{"A":"2"}`))
	two, err := s.PutVersion(t.Context(), next, store.Parts{Environment: []byte(`{"A":"2"}`)})
	if err != nil || two.Version == one.Version || !two.Deployed.After(one.Deployed) {
		t.Fatalf("%+v, %v", two, err)
	}
	wantSubjects(t, s, 3, 3)
	again, err := s.PutVersion(t.Context(), next, store.Parts{Environment: []byte(`{"A":"2"}`)})
	if err != nil || again != two {
		t.Errorf("made again: %+v, %v", again, err)
	}
	before, _ := s.RecordSubjects(t.Context())
	f, err := change(t, s, func(f *store.Function) {
		f.Aliases["staging"] = two.Version
		f.Split = &store.Split{Candidate: two.Version, Weight: 10, Started: time.Unix(1, 0).UTC(), Rollback: &store.RollbackRule{Errors: 5, Min: 1, Window: time.Second}}
		f.Note(store.Change{What: "split", Version: two.Version})
	})
	if err != nil || f.Live() != one || f.Candidate() != two || len(f.Versions) != 2 || f.Versions[0] != two {
		t.Fatalf("%+v, %v", f, err)
	}
	if after, _ := s.RecordSubjects(t.Context()); after != before {
		t.Errorf("a change made %d records", after-before)
	}
	s = reopen(t, s, dir)
	got, err := s.Function("acme", "f")
	if err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("after reopening %+v, %v; want %+v", got, err, f)
	}
	for what, do := range map[string]func(*store.Function){
		"a version that is not there": func(f *store.Function) { f.Aliases["x"] = strings.Repeat("0", 64) },
		"no version":                  func(f *store.Function) { f.Aliases["x"] = "live" },
		"an alias that is no name":    func(f *store.Function) { f.Aliases["A.b"] = one.Version },
		"a split of all":              func(f *store.Function) { f.Split.Weight = 100 },
		"a split with itself":         func(f *store.Function) { f.Split.Candidate = one.Version },
		"a split of nothing":          func(f *store.Function) { delete(f.Aliases, store.Live) },
		"a rule of nothing":           func(f *store.Function) { f.Split.Rollback.Min = 0 },
	} {
		if _, err := change(t, s, do); !errors.Is(err, store.ErrInvalid) && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused := errors.New("no")
	if _, _, err := s.ChangeFunction(t.Context(), "acme", "f", func(f *store.Function) error { f.Split = nil; return refused }); err != refused {
		t.Errorf("error %v", err)
	}
	if after, err := s.Function("acme", "f"); err != nil || after != got {
		t.Errorf("a refused change left %+v, %v", after, err)
	}
	if unchanged, err := change(t, s, func(*store.Function) {}); err != nil || unchanged != got {
		t.Errorf("no change made %+v, %v", unchanged, err)
	}
	wantError(t, s.DeleteVersions(t.Context(), "acme", "f", two.Version), store.ErrInvalid, two.Version, "in use")
	if _, err := change(t, s, func(f *store.Function) { f.Split = nil; delete(f.Aliases, "staging") }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteVersions(t.Context(), "acme", "f", two.Version); err != nil {
		t.Fatal(err)
	}
	wantSubjects(t, s, 2, 2) // the code is the other version's too
	wantCode(t, s, "acme", "f", "code")
	other := *two
	other.Digest = strings.Repeat("0", 64)
	other.SealEnvironment(nil)
	_, err = s.PutVersion(t.Context(), other, store.Parts{})
	wantError(t, err, store.ErrNotFound, "its code")
	other.Memory++
	_, err = s.PutVersion(t.Context(), other, store.Parts{Code: []byte("x")})
	wantError(t, err, store.ErrInvalid, "digest of its content")
}

// A first deploy that was cut short between its two writes leaves nothing.
func TestUnfinishedFirstDeploy(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putVersion(t, s, "v1", "code", "{}")
	s = reopen(t, s, dir)
	wantSubjects(t, s, 0, 0)
	f, err := change(t, s, func(*store.Function) {})
	if err != nil || len(f.Versions) != 0 {
		t.Errorf("%+v, %v", f, err)
	}
}

// A directory as it was written before there were versions.
func TestMigration(t *testing.T) {
	for _, format := range []string{"1\n", "2\n"} {
		dir := t.TempDir()
		s := open(t, dir)
		putTenant(t, s, "acme")
		for i := range 3 { // so that the code is there
			putFunction(t, s, "acme", fmt.Sprint("code-", i), "v", fmt.Sprint("code ", i))
		}
		all, err := s.Functions("acme")
		if err != nil {
			t.Fatal(err)
		}
		record := func(i int, rest string) {
			t.Helper()
			name := fmt.Sprint("f-", i)
			err := s.PutRaw(t.Context(), "function.acme."+name, fmt.Appendf(nil, `{%s,"tenant":"acme","function":%q,"version":"0123456789a%d","digest":%q,`+
				`"shape":"expression","memory":5242880,"timeout":"1.5s","concurrency":4,"isolation":"fresh","size":6,"deployed":"2026-01-02T03:04:05.000000006Z"}`,
				rest, name, i, all[i].Live().Digest))
			if err != nil {
				t.Fatal(err)
			}
		}
		record(0, `"format":1`)
		record(1, `"format":2,"policy":"data"`)
		record(2, `"format":3,"policy":"data","cpu":"50ms"`)
		if err := s.PutRaw(t.Context(), "function.acme.bad", []byte(`{"format":1,"tenant":"acme","function":"bad","version":"v1"}`)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "format"), []byte(format), 0o600), os.Remove(filepath.Join(dir, "journal"))); err != nil {
			t.Fatal(err)
		}
		if format == "2\n" {
			// The journal of such a directory has the same records.
			s, err = store.Open(t.Context(), store.Options{Dir: dir})
			wantError(t, err, store.ErrCorrupt, "journal")
			if err := os.WriteFile(filepath.Join(dir, "format"), []byte("1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, dir)
		for round := range 2 {
			for i := range 3 {
				name := fmt.Sprint("f-", i)
				f, err := s.Function("acme", name)
				if err != nil || len(f.Versions) != 1 || f.Live() == nil || len(f.History) != 1 {
					t.Fatalf("round %d: %+v, %v", round, f, err)
				}
				v := *f.Live()
				want := store.Version{Tenant: "acme", Function: name, Version: fmt.Sprint("0123456789a", i), Digest: v.Digest, Shape: "expression", Memory: 5 << 20,
					Timeout: 1500 * time.Millisecond, Concurrency: 4, Isolation: "fresh", Size: 6, Deployed: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}
				if i > 0 {
					want.Policy = "data"
				}
				if i == 2 {
					want.CPU = 50 * time.Millisecond
				}
				if !reflect.DeepEqual(v, want) {
					t.Errorf("round %d: %+v, want %+v", round, v, want)
				}
				wantCode(t, s, "acme", name, fmt.Sprint("code ", i))
			}
			var keys []string
			for _, d := range s.Damaged() {
				keys = append(keys, d.Key)
			}
			if !slices.Equal(keys, []string{"function.acme.bad"}) {
				t.Errorf("damaged: %v", keys)
			}
			s = reopen(t, s, dir)
		}
		putFunction(t, s, "acme", "f-0", "v2", "new")
		wantCode(t, s, "acme", "f-0", "new")
	}
}
