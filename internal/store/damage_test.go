package store_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		want  error
		parts []string
	}{
		"newer":   {"4\n", store.ErrNewerFormat, []string{"format is 4", "up to 3"}},
		"garbage": {"one", store.ErrCorrupt, []string{"format"}},
		"empty":   {"", store.ErrCorrupt, []string{"format"}},
		"zero":    {"0", store.ErrCorrupt, []string{"format"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "format"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(t.Context(), store.Options{Dir: dir})
			wantError(t, err, c.want, append(c.parts, dir)...)
			if _, err := os.Stat(filepath.Join(dir, "jetstream")); err == nil {
				t.Error("the directory was changed")
			}
		})
	}
}

// A registry whose files are lost must not come up as an empty one.
func TestLostBucket(t *testing.T) {
	for _, bucket := range []string{"KV_registry", "OBJ_code"} {
		t.Run(bucket, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir).Close()
			if err := os.RemoveAll(filepath.Join(dir, "jetstream", "$G", "streams", bucket)); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(t.Context(), store.Options{Dir: dir})
			wantError(t, err, store.ErrCorrupt, dir, "backup")
		})
	}
}

func TestDamagedRecords(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "sound", "v1", "one")
	putFunction(t, s, "acme", "bad", "v1", "two")
	putTenant(t, s, "zeta")
	putFunction(t, s, "zeta", "f", "v1", "three")
	putTenant(t, s, "lost")
	putFunction(t, s, "lost", "f", "v1", "four")
	_, orphan, err := s.Encode(spec("never", "f", "v1"), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"function.acme.bad":   "{",
		"function.acme.newer": `{"format":5,"anything":1}`,
		"tenant.zeta":         `{"format":1,"name":"other"}`,
		"function.never.f":    string(orphan),
		"nonsense":            "x",
		"tenant.Upper":        "x",
	} {
		if err := s.PutRaw(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PurgeRaw(t.Context(), "tenant.lost"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err = store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	want := []string{"function.acme.bad", "function.acme.newer", "function.never.f", "nonsense", "tenant.Upper", "tenant.zeta"}
	var got []string
	for _, d := range s.Damaged() {
		got = append(got, d.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("damaged are %v, want %v", got, want)
	}
	for _, key := range slices.DeleteFunc(want, func(k string) bool { return k == "function.never.f" }) {
		if !strings.Contains(log.String(), "key="+key) {
			t.Errorf("%s is not in the log", key)
		}
	}
	// All else works.
	wantCode(t, s, "acme", "sound", "one")
	if all, err := s.Functions("acme"); err != nil || len(all) != 1 {
		t.Errorf("functions are %v, %v", all, err)
	}
	if all := s.Tenants(); len(all) != 2 || all[0].Name != "acme" {
		t.Errorf("tenants are %v", all)
	}
	_, err = s.Function("acme", "bad")
	wantError(t, err, store.ErrCorrupt, "function.acme.bad")
	_, err = s.Function("acme", "newer")
	wantError(t, err, store.ErrNewerFormat, "function.acme.newer", "upgrade")
	_, err = s.Tenant("zeta")
	wantError(t, err, store.ErrCorrupt, "tenant.zeta", "tenant other")
	_, err = replace(t.Context(), s, spec("zeta", "g", "v1"), nil, nil)
	wantError(t, err, store.ErrCorrupt, "tenant.zeta")
	_, err = s.Tenant("never")
	wantError(t, err, store.ErrNotFound, "never")
	// What was removed behind our back is there again.
	wantCode(t, s, "lost", "f", "four")
	// Nothing that a damaged record may refer to was removed.
	wantSubjects(t, s, 4, 4)

	// Writing or deleting ends it.
	putTenant(t, s, "zeta")
	wantCode(t, s, "zeta", "f", "three")
	putTenant(t, s, "never")
	if f, err := s.Function("never", "f"); err != nil || len(f.Aliases) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	putFunction(t, s, "acme", "bad", "v2", "five")
	wantCode(t, s, "acme", "bad", "five")
	if err := s.DeleteFunction(t.Context(), "acme", "newer"); err != nil {
		t.Error(err)
	}
	if left := s.Damaged(); len(left) != 2 {
		t.Errorf("still damaged: %v", left)
	}
}

func TestDamagedCode(t *testing.T) {
	for name, damage := range map[string]func(*store.Store, string) error{
		"replaced": func(s *store.Store, digest string) error {
			return s.ReplaceCode(t.Context(), "acme", digest, []byte("other"))
		},
		"missing part": func(s *store.Store, digest string) error { return s.LoseChunks(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			putTenant(t, s, "acme")
			f := putFunction(t, s, "acme", "f", "v1", "one")
			if err := damage(s, f.Digest); err != nil {
				t.Fatal(err)
			}
			_, err := s.Code(t.Context(), "acme", f.Digest)
			wantError(t, err, store.ErrCorrupt, "acme", f.Digest)
			putFunction(t, s, "acme", "f", "v1", "one")
			wantCode(t, s, "acme", "f", "one")
		})
	}
}

// One bit of a stored file flips while nobody looks. What it hit is reported,
// and all else works.
func TestFlippedBit(t *testing.T) {
	for name, c := range map[string]struct {
		stream, mark string
		repaired     bool
	}{
		"record": {"KV_registry", `"v-bad"`, true},
		"object": {"OBJ_code", "$O.code.M.", false},
		"chunk":  {"OBJ_code", "the-bad-code", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			putTenant(t, s, "acme")
			bad := putFunction(t, s, "acme", "bad", "v-bad", "the-bad-code")
			putFunction(t, s, "acme", "good", "v1", "one")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			flip(t, filepath.Join(dir, "jetstream", "$G", "streams", c.stream, "msgs"), c.mark)
			s = open(t, dir)

			wantLive(t, s, bad)
			if name == "record" {
				wantCode(t, s, "acme", "bad", "the-bad-code") // the record is the journal's
				if got := s.Restored(); len(got) != 1 || !strings.Contains(got[0], "version.acme.bad") {
					t.Errorf("restored are %v", got)
				}
			} else {
				_, err := s.Code(t.Context(), "acme", bad.Digest)
				wantError(t, err, store.ErrCorrupt, bad.Digest)
			}
			wantCode(t, s, "acme", "good", "one")
			putFunction(t, s, "acme", "good", "v2", "two")
			wantCode(t, s, "acme", "good", "two")

			_, err := deploy(t.Context(), s, spec("acme", "bad", "v2"), []byte("the-bad-code"), nil)
			if c.repaired {
				if err != nil {
					t.Error(err)
				}
				wantCode(t, s, "acme", "bad", "the-bad-code")
			} else {
				wantError(t, err, store.ErrCorrupt, "acme", "bad", "backup")
			}
		})
	}
}

func flip(t *testing.T, dir, mark string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(data, []byte(mark)); i >= 0 {
			data[i+4] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%q is in none of %v", mark, files)
}
