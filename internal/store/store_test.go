package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

func TestMain(m *testing.M) {
	if child := children[os.Getenv("STORE_TEST_CHILD")]; child != nil {
		os.Exit(child(os.Getenv("STORE_TEST_DIR")))
	}
	os.Exit(m.Run())
}

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func reopen(t *testing.T, s *store.Store, dir string) *store.Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

func putTenant(t testing.TB, s *store.Store, name string) store.Tenant {
	t.Helper()
	got, err := s.PutTenant(t.Context(), store.Tenant{Name: name, Policy: "compute", Tier: "default"})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// spec is of a version that the mark tells from others.
func spec(tenant, function, mark string) store.Version {
	return store.Version{Tenant: tenant, Function: function, Policy: mark, Shape: "module", Memory: 5 << 20,
		Timeout: 1500 * time.Millisecond, Concurrency: 4, Isolation: "fresh"}
}

// deploy makes a version live.
func deploy(ctx context.Context, s *store.Store, v store.Version, code, sourceMap []byte) (*store.Version, error) {
	v.Seal(store.Parts{Code: code, SourceMap: sourceMap})
	made, err := s.PutVersion(ctx, v, store.Parts{Code: code, SourceMap: sourceMap})
	if err != nil {
		return nil, err
	}
	_, _, err = s.ChangeFunction(ctx, v.Tenant, v.Function, func(f *store.Function) error {
		f.Aliases[store.Live] = made.Version
		return nil
	})
	return made, err
}

// replace deploys, and deletes all other versions.
func replace(ctx context.Context, s *store.Store, v store.Version, code, sourceMap []byte) (*store.Version, error) {
	made, err := deploy(ctx, s, v, code, sourceMap)
	if err != nil {
		return nil, err
	}
	f, err := s.Function(v.Tenant, v.Function)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, other := range f.Versions {
		if other.Version != made.Version {
			others = append(others, other.Version)
		}
	}
	return made, s.DeleteVersions(ctx, v.Tenant, v.Function, others...)
}

func putFunction(t testing.TB, s *store.Store, tenant, function, mark, code string) *store.Version {
	t.Helper()
	got, err := replace(t.Context(), s, spec(tenant, function, mark), []byte(code), nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// live returns the version that is live, or what there is instead.
func live(s *store.Store, tenant, function string) (*store.Version, error) {
	f, err := s.Function(tenant, function)
	if err != nil {
		return nil, err
	}
	if f.Live() == nil {
		return nil, errors.New("nothing is live")
	}
	return f.Live(), nil
}

// wantLive compares a live version with what was deployed.
func wantLive(t *testing.T, s *store.Store, want *store.Version) {
	t.Helper()
	if got, err := live(s, want.Tenant, want.Function); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("live is %+v, %v; want %+v", got, err, want)
	}
}

func wantCode(t *testing.T, s *store.Store, tenant, function, want string) {
	t.Helper()
	f, err := live(s, tenant, function)
	if err != nil {
		t.Fatal(err)
	}
	code, err := s.Code(t.Context(), tenant, f.Digest)
	if err != nil || string(code) != want {
		t.Errorf("code of %s/%s is %.40q, %v; want %.40q", tenant, function, code, err, want)
	}
}

func wantError(t *testing.T, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want one that is %q", err, want)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}

func wantSubjects(t *testing.T, s *store.Store, objects, uploads int) {
	t.Helper()
	o, u, err := s.CodeSubjects(t.Context())
	if err != nil || o != objects || u != uploads {
		t.Errorf("code store holds %d objects and %d uploads, %v; want %d and %d", o, u, err, objects, uploads)
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("data directory: %v, %v; want mode 0700", info, err)
	}
	tenants := []store.Tenant{putTenant(t, s, "acme"), putTenant(t, s, "zeta")}
	functions := []*store.Version{
		putFunction(t, s, "acme", "a", "v1", "one"),
		putFunction(t, s, "acme", "b", "v1", ""),
		putFunction(t, s, "acme", "c", "v1", strings.Repeat("x", store.MaxCode)),
	}
	if sum := sha256.Sum256([]byte("one")); functions[0].Digest != hex.EncodeToString(sum[:]) || functions[0].Size != 3 {
		t.Errorf("stored %+v", functions[0])
	}
	putFunction(t, s, "zeta", "a", "v1", "one")
	wantSubjects(t, s, 4, 3) // the empty code has no chunk
	for range 2 {
		if got := s.Tenants(); !slices.Equal(got, tenants) {
			t.Errorf("tenants are %+v, want %+v", got, tenants)
		}
		if got, err := s.Functions("acme"); err != nil || len(got) != len(functions) {
			t.Errorf("functions are %+v, %v; want %+v", got, err, functions)
		}
		for _, v := range functions {
			wantLive(t, s, v)
		}
		wantCode(t, s, "acme", "a", "one")
		wantCode(t, s, "acme", "b", "")
		wantCode(t, s, "acme", "c", strings.Repeat("x", store.MaxCode))
		if got := s.Damaged(); len(got) != 0 {
			t.Errorf("damaged: %v", got)
		}
		s = reopen(t, s, dir)
	}
}

func TestPutTenantAgain(t *testing.T) {
	s := open(t, t.TempDir())
	first := putTenant(t, s, "acme")
	putFunction(t, s, "acme", "a", "v1", "one")
	second, err := s.PutTenant(t.Context(), store.Tenant{Name: "acme", Policy: "web", Tier: "big"})
	if err != nil || second.Policy != "web" || second.Tier != "big" || !second.Created.Equal(first.Created) || !second.Updated.After(first.Updated) {
		t.Errorf("stored %+v, %v after %+v", second, err, first)
	}
	if got, err := s.Tenant("acme"); err != nil || got != second {
		t.Errorf("tenant is %+v, %v; want %+v", got, err, second)
	}
	wantCode(t, s, "acme", "a", "one")
}

func TestReplacedAndDeletedCodeGoes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	old := putFunction(t, s, "acme", "a", "v1", "one")
	putFunction(t, s, "acme", "b", "v1", "one")
	wantSubjects(t, s, 1, 1)
	putFunction(t, s, "acme", "a", "v2", "two")
	wantCode(t, s, "acme", "b", "one") // still in use there
	if err := s.DeleteFunction(t.Context(), "acme", "b"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Code(t.Context(), "acme", old.Digest)
	wantError(t, err, store.ErrNotFound, "acme", old.Digest)
	wantSubjects(t, s, 1, 1)
	wantCode(t, s, "acme", "a", "two")
	_, err = s.Function("acme", "b")
	wantError(t, err, store.ErrNotFound, "acme/b")
	putFunction(t, s, "acme", "b", "v2", "again")
	wantCode(t, s, "acme", "b", "again")

	if err := s.DeleteFunction(t.Context(), "acme", "a"); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	if n, err := s.RecordSubjects(t.Context()); err != nil || n != 3 {
		t.Errorf("%d records, %v; want those of the tenant, of b and of its version, and no mark of deletion", n, err)
	}
}

func TestDeleteTenant(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putTenant(t, s, "zeta")
	for i := range 5 {
		putFunction(t, s, "acme", fmt.Sprint("f", i), "v1", fmt.Sprint("code ", i/2))
	}
	putFunction(t, s, "zeta", "f0", "v1", "code 0")
	if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	wantSubjects(t, s, 1, 1)
	for range 2 {
		_, err := s.Tenant("acme")
		wantError(t, err, store.ErrNotFound, "acme")
		_, err = s.Functions("acme")
		wantError(t, err, store.ErrNotFound, "acme")
		_, err = deploy(t.Context(), s, spec("acme", "f0", "v1"), nil, nil)
		wantError(t, err, store.ErrNotFound, "acme")
		wantError(t, s.DeleteTenant(t.Context(), "acme"), store.ErrNotFound, "acme")
		wantCode(t, s, "zeta", "f0", "code 0")
		s = reopen(t, s, dir)
	}
	putTenant(t, s, "acme")
	if got, err := s.Functions("acme"); err != nil || len(got) != 0 {
		t.Errorf("a new tenant of that name has functions %v, %v", got, err)
	}
}

// A crash after the tenant's record went and before its functions did.
func TestDeletionIsFinished(t *testing.T) {
	for _, again := range []string{"put", "delete", "open"} {
		t.Run(again, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			putTenant(t, s, "acme")
			putFunction(t, s, "acme", "f", "v1", "one")
			if err := s.DeleteTenantRecord(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			_, err := s.Function("acme", "f")
			wantError(t, err, store.ErrNotFound, "acme")
			switch again {
			case "put":
				putTenant(t, s, "acme")
			case "delete":
				if err := s.DeleteTenant(t.Context(), "acme"); err != nil {
					t.Fatal(err)
				}
			case "open":
				s = reopen(t, s, dir)
			}
			wantSubjects(t, s, 0, 0)
			putTenant(t, s, "acme")
			if got, err := s.Functions("acme"); err != nil || len(got) != 0 {
				t.Errorf("the new tenant has functions %v, %v", got, err)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	s := open(t, t.TempDir())
	putTenant(t, s, "acme")
	for _, name := range []string{"", "-a", "A", "a.b", "a*", ">", "a b", "a\n", "ä", strings.Repeat("a", 64)} {
		_, err := s.PutTenant(t.Context(), store.Tenant{Name: name})
		wantError(t, err, store.ErrInvalid, "tenant name")
		_, err = deploy(t.Context(), s, spec(name, "f", "v"), nil, nil)
		wantError(t, err, store.ErrInvalid, "tenant name")
		_, err = deploy(t.Context(), s, spec("acme", name, "v"), nil, nil)
		wantError(t, err, store.ErrInvalid, "function name")
		_, err = s.Code(t.Context(), name, strings.Repeat("0", 64))
		wantError(t, err, store.ErrInvalid, "tenant name")
		wantError(t, s.DeleteTenant(t.Context(), name), store.ErrInvalid, "tenant name")
		wantError(t, s.DeleteFunction(t.Context(), name, "f"), store.ErrInvalid, "tenant name")
		wantError(t, s.DeleteFunction(t.Context(), "acme", name), store.ErrInvalid, "function name")
		_, err = s.Function(name, name)
		wantError(t, err, store.ErrNotFound)
	}
	for field, change := range map[string]func(*store.Version){
		"shape":       func(f *store.Version) { f.Shape = "\xff" },
		"isolation":   func(f *store.Version) { f.Isolation = strings.Repeat("x", 257) },
		"memory":      func(f *store.Version) { f.Memory = -1 },
		"timeout":     func(f *store.Version) { f.Timeout = -1 },
		"cpu":         func(f *store.Version) { f.CPU = -1 },
		"concurrency": func(f *store.Version) { f.Concurrency = -1 },
	} {
		f := spec("acme", "f", "v")
		change(&f)
		_, err := deploy(t.Context(), s, f, nil, nil)
		wantError(t, err, store.ErrInvalid, field)
	}
	_, err := deploy(t.Context(), s, spec("acme", "f", "v"), make([]byte, store.MaxCode+1), nil)
	wantError(t, err, store.ErrInvalid, "code", "16777216")
	_, err = s.Code(t.Context(), "acme", "../../etc")
	wantError(t, err, store.ErrInvalid, "digest")
	_, err = deploy(t.Context(), s, spec("nobody", "f", "v"), nil, nil)
	wantError(t, err, store.ErrNotFound, "nobody")
	wantError(t, s.DeleteFunction(t.Context(), "acme", "f"), store.ErrNotFound, "acme/f")
	wantSubjects(t, s, 0, 0)
}

func TestCanceledContextChangesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "f", "v1", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := deploy(ctx, s, spec("acme", "f", "v2"), []byte("two"), nil)
	wantError(t, err, context.Canceled, "acme/f")
	_, err = s.PutTenant(ctx, store.Tenant{Name: "new"})
	wantError(t, err, context.Canceled, "new")
	wantError(t, s.DeleteFunction(ctx, "acme", "f"), context.Canceled)
	wantError(t, s.DeleteTenant(ctx, "acme"), context.Canceled)
	wantCode(t, s, "acme", "f", "one")
	if got := s.Tenants(); len(got) != 1 {
		t.Errorf("tenants are %v", got)
	}
}

// Deploys, deletions and readers at once. Some deploys share their code, so
// that removing what one replaced races with another that brings it back.
func TestConcurrentDeploys(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	const writers, rounds = 6, 8
	var wg sync.WaitGroup
	acknowledged := make([]map[string]bool, writers)
	for w := range writers {
		acknowledged[w] = map[string]bool{}
		wg.Go(func() {
			for i := range rounds {
				f, err := deploy(t.Context(), s, spec("acme", fmt.Sprint("f", w%2), fmt.Sprintf("v%d-%d", w, i)), fmt.Appendf(nil, "code %d", i%3), nil)
				if w%2 == 1 && errors.Is(err, store.ErrNotFound) {
					continue // the function was deleted between the two writes
				}
				if err != nil {
					t.Error(err)
					return
				}
				acknowledged[w][f.Version] = true
				if w == 5 && i%4 == 3 {
					if err := s.DeleteFunction(t.Context(), "acme", "f1"); err != nil && !errors.Is(err, store.ErrNotFound) {
						t.Error(err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				f, err := live(s, "acme", "f0")
				if errors.Is(err, store.ErrNotFound) {
					continue
				}
				code, err := s.Code(t.Context(), "acme", f.Digest)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
				if err == nil && !bytes.HasPrefix(code, []byte("code ")) {
					t.Errorf("read %q", code)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	readers.Wait()
	f, err := live(s, "acme", "f0")
	if err != nil {
		t.Fatal(err)
	}
	if !acknowledged[0][f.Version] && !acknowledged[2][f.Version] && !acknowledged[4][f.Version] {
		t.Errorf("the current version %s was not acknowledged", f.Version)
	}
	code, err := s.Code(t.Context(), "acme", f.Digest)
	if err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	wantCode(t, s, "acme", "f0", string(code))
	wantLive(t, s, f)
}

// A write that was left unconfirmed may land in front of a later one: the
// later one must see it and replace it.
func TestStaleRevision(t *testing.T) {
	s := open(t, t.TempDir())
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "f", "v1", "one")
	version, late, err := s.Encode(spec("acme", "f", "late"), []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	var named struct{ Version string }
	if err := errors.Join(json.Unmarshal(version, &named), s.PutRaw(t.Context(), "version.acme.f."+named.Version, version)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if err := s.PutRaw(t.Context(), "function.acme.f", late); err != nil {
				t.Error(err)
			}
		})
		version := fmt.Sprint("v", i)
		wg.Go(func() {
			if _, err := deploy(t.Context(), s, spec("acme", "f", version), []byte("one"), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantCode(t, s, "acme", "f", "one")
}

func TestReadYourWrites(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			tenant := fmt.Sprint("t", w)
			if _, err := s.PutTenant(t.Context(), store.Tenant{Name: tenant}); err != nil {
				t.Error(err)
			}
			for i := range 20 {
				want, err := deploy(t.Context(), s, spec(tenant, "f", fmt.Sprint("v", i)), nil, nil)
				if err != nil {
					t.Error(err)
					return
				}
				wantLive(t, s, want)
				if i%5 == 4 {
					if err := s.DeleteFunction(t.Context(), tenant, "f"); err != nil {
						t.Error(err)
					}
					if _, err := s.Function(tenant, "f"); !errors.Is(err, store.ErrNotFound) {
						t.Errorf("after deleting: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestSweepAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	putTenant(t, s, "acme")
	putFunction(t, s, "acme", "f", "v1", "one")
	if err := s.ReplaceCode(t.Context(), "acme", strings.Repeat("0", 64), []byte("unused")); err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceCode(t.Context(), "gone", strings.Repeat("0", 64), []byte("unused")); err != nil {
		t.Fatal(err)
	}
	if err := s.StrayChunk(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSubjects(t, s, 3, 4)
	s = reopen(t, s, dir)
	wantSubjects(t, s, 1, 1)
	wantCode(t, s, "acme", "f", "one")
}

func TestLogIsQuiet(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	for range 2 {
		s, err := store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		putTenant(t, s, "acme")
		putFunction(t, s, "acme", "f", "v1", "one")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("logged at info or above:\n%s", &out)
	}
}

// A source map lives and dies with the function that it belongs to.
func TestSourceMap(t *testing.T) {
	s := open(t, t.TempDir())
	putTenant(t, s, "acme")
	put := func(code, sourceMap string) *store.Version {
		t.Helper()
		f, err := replace(t.Context(), s, spec("acme", "f", "v-"+code+sourceMap), []byte(code), []byte(sourceMap))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	has := func(digest, want string) {
		t.Helper()
		data, err := s.Code(t.Context(), "acme", digest)
		switch {
		case want == "" && !errors.Is(err, store.ErrNotFound):
			t.Errorf("%q, %v", data, err)
		case want != "" && (err != nil || string(data) != want):
			t.Errorf("%q, %v; want %q", data, err, want)
		}
	}
	one := put("code", "map 1")
	has(one.Digest, "code")
	has(one.SourceMap, "map 1")
	two := put("code", "map 2")
	has(one.SourceMap, "")
	has(two.Digest, "code")
	has(two.SourceMap, "map 2")
	wantLive(t, s, two)
	none := put("code", "")
	if none.SourceMap != "" {
		t.Errorf("%+v", none)
	}
	has(two.SourceMap, "")
	last := put("code", "map 3")
	if err := s.DeleteFunction(t.Context(), "acme", "f"); err != nil {
		t.Fatal(err)
	}
	has(last.Digest, "")
	has(last.SourceMap, "")
	_, err := deploy(t.Context(), s, spec("acme", "f", "v"), nil, make([]byte, store.MaxCode+1))
	wantError(t, err, store.ErrInvalid, "source map")
}
