package supervisor_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/snapshots"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// born is a function that tells when its top level was evaluated, and what
// every invocation must draw anew.
const born = `const born = [Math.random(), Date.now()]; let n = 0;
export default () => ({ born, n: ++n, random: Math.random(), id: crypto.randomUUID() })`

// birth is what of born's answer tells about the top level.
func birth(t testing.TB, r supervisor.Result, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text, _, ok := strings.Cut(string(r.Value), `"random"`)
	if !ok || !strings.HasSuffix(text, `"n":1,`) {
		t.Fatalf("got %s", r.Value)
	}
	return text
}

// invoke invokes acme's f, whose process may just have been killed: then it is
// not replaced at once.
func invoke(t testing.TB, s *supervisor.Supervisor) (r supervisor.Result, err error) {
	t.Helper()
	eventually(t, "there is a process", func() bool {
		r, err = s.Invoke(t.Context(), "acme", "f", nil)
		o := outcome.Of(err)
		return o != outcome.Overloaded && o != outcome.Crashed
	})
	return r, err
}

func invokeBorn(t testing.TB, s *supervisor.Supervisor) (string, supervisor.Result) {
	t.Helper()
	r, err := invoke(t, s)
	return birth(t, r, err), r
}

// restartProcess kills the process that ran r, and waits for its end.
func restartProcess(t testing.TB, r supervisor.Result) {
	t.Helper()
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, r)
}

func awaitEnd(t testing.TB, r supervisor.Result) {
	t.Helper()
	eventually(t, "the process is gone", func() bool {
		_, err := os.Stat(filepath.Join("/proc", fmt.Sprint(r.PID)))
		return err != nil
	})
}

// slowly gives loads the time that a busy machine may need.
func slowly(f *supervisor.FunctionSpec) { f.Timeout = 20e9 }

func snapshotFiles(t testing.TB, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "snapshots", "*", "*@*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// keeping keeps data and snapshots in a directory.
func keeping(data string) func(*supervisor.Options) {
	return func(o *supervisor.Options) {
		o.DataDir = data
		if user, err := os.UserCacheDir(); err == nil {
			o.CacheDir = filepath.Join(user, "bulkhead") // compiled by other tests
		}
	}
}

// A version's top level runs once: other processes, and a supervisor started
// anew, go on from what it made.
func TestRealSnapshot(t *testing.T) {
	data := t.TempDir()
	s := openReal(t, keeping(data))
	deploy(t, s, "acme", "f", born, slowly)
	if files := snapshotFiles(t, data); len(files) != 1 {
		t.Fatalf("after the deploy: %v", files)
	}
	first, r := invokeBorn(t, s)
	if !r.Cold {
		t.Error("a first invocation was warm")
	}
	drawn := map[string]bool{string(r.Value): true}
	for range 2 {
		restartProcess(t, r)
		var again string
		if again, r = invokeBorn(t, s); again != first {
			t.Errorf("its top level ran again: %s, then %s", first, again)
		}
		if drawn[string(r.Value)] {
			t.Errorf("drawn twice: %s", r.Value)
		}
		drawn[string(r.Value)] = true
	}
	if n := s.Stats(); n.SnapshotsStored != 1 || n.SnapshotsUsed != 3 || n.Snapshots != 1 || n.SnapshotBytes == 0 || n.SnapshotsFailed != 0 {
		t.Errorf("stats %+v", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openReal(t, keeping(data))
	again, _ := invokeBorn(t, s)
	if again != first {
		t.Errorf("after a restart: %s, then %s", first, again)
	}
	// Another version, and another function, have their own.
	deploy(t, s, "acme", "f", born+"\n//", slowly)
	deploy(t, s, "acme", "g", born, slowly)
	if other, _ := invokeBorn(t, s); other == first {
		t.Errorf("another version gave %s", other)
	}
	if files := snapshotFiles(t, data); len(files) != 3 {
		t.Errorf("three versions have %v", files)
	}
	if err := s.DeleteFunction(t.Context(), "acme", "g"); err != nil {
		t.Fatal(err)
	}
	if files := snapshotFiles(t, data); len(files) != 2 {
		t.Errorf("after a deletion: %v", files)
	}
}

// A snapshot that is missing, damaged or another's is not used, and is made
// anew.
func TestRealSnapshotIsReplaced(t *testing.T) {
	data := t.TempDir()
	log := &safeBuffer{}
	s := openReal(t, func(o *supervisor.Options) {
		keeping(data)(o)
		o.IdleTTL = 20 * time.Millisecond // each process serves once
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	deploy(t, s, "acme", "f", born, slowly)
	path := snapshotFiles(t, data)[0]
	write := func(b []byte) {
		t.Helper()
		if err := errors.Join(os.Remove(path), os.WriteFile(path, b, 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	last, r := invokeBorn(t, s)
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		warned bool
	}{
		{"missing", func([]byte) { _ = os.Remove(path) }, false},
		{"cut short", func(b []byte) { write(b[:len(b)/2]) }, true},
		{"a flipped bit", func(b []byte) { b[len(b)/2] ^= 1; write(b) }, true},
		{"another file", func([]byte) { write([]byte(strings.Repeat("not a snapshot", 1e4))) }, true},
	} {
		stored := s.Stats().SnapshotsStored
		before := log.count(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c.damage(b)
		awaitEnd(t, r)
		var now string
		if now, r = invokeBorn(t, s); now == last {
			t.Errorf("%s: its top level did not run", c.name)
		}
		if warned := log.count(path) > before; warned != c.warned {
			t.Errorf("%s: warned %v: %s", c.name, warned, log)
		}
		eventually(t, c.name+": it is stored again", func() bool { return s.Stats().SnapshotsStored == stored+1 })
		awaitEnd(t, r)
		if last, r = invokeBorn(t, s); last == now {
			t.Errorf("%s: the new snapshot is of the process that served", c.name)
		}
		awaitEnd(t, r)
		if now, r = invokeBorn(t, s); now != last {
			t.Errorf("%s: the new snapshot is not used", c.name)
		}
	}
}

// Other APIs are other globals: a snapshot made with them is not used.
func TestRealSnapshotOfOtherAPIs(t *testing.T) {
	data := t.TempDir()
	s := openReal(t, keeping(data))
	deploy(t, s, "acme", "f", born, slowly)
	first, _ := invokeBorn(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openReal(t, func(o *supervisor.Options) { keeping(data)(o); apis(upper())(o) })
	second, _ := invokeBorn(t, s)
	if second == first || s.Stats().SnapshotsUsed != 0 {
		t.Errorf("it was used: %s, then %s, %+v", first, second, s.Stats())
	}
	eventually(t, "it is stored anew", func() bool { return s.Stats().SnapshotsStored == 1 })
	if files := snapshotFiles(t, data); len(files) != 1 {
		t.Errorf("%v", files)
	}
}

// A process that is given what it cannot use says so, and gets the source.
func TestRealSnapshotRefused(t *testing.T) {
	data := t.TempDir()
	s := openReal(t, keeping(data))
	deploy(t, s, "acme", "f", born, slowly)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A sound file of what no process can use.
	name := filepath.Base(snapshotFiles(t, data)[0])
	store, err := snapshots.Open(filepath.Join(data, "snapshots"), 1<<30, nil)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := store.Draft(snapshots.Key{Tenant: "acme", Function: "f", Image: name[2:34], Fingerprint: name[35:]})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(draft.Finish([]byte("nonsense")), draft.Keep()); err != nil {
		t.Fatal(err)
	}
	s = openReal(t, keeping(data))
	first, r := invokeBorn(t, s)
	restartProcess(t, r)
	if second, _ := invokeBorn(t, s); second == first {
		t.Errorf("evaluated once: %s", second)
	}
	if n := s.Stats(); n.SnapshotsUsed != 0 || n.SnapshotsStored != 0 || n.Snapshots != 0 || n.Ended["violation"] != 0 {
		t.Errorf("stats %+v", n)
	}
}

func TestRealSnapshotsAreBounded(t *testing.T) {
	data := t.TempDir()
	s := openReal(t, func(o *supervisor.Options) { keeping(data)(o); o.MaxSnapshots = 1 << 20 })
	for n := range 6 {
		deploy(t, s, "acme", fmt.Sprint("f", n), `() => 1`, slowly)
	}
	if n := s.Stats(); n.SnapshotsStored != 6 || n.Snapshots == 6 || n.Snapshots == 0 || n.SnapshotBytes > 1<<20 {
		t.Errorf("stats %+v", n)
	}
	for n := range 6 {
		r, err := s.Invoke(t.Context(), "acme", fmt.Sprint("f", n), nil)
		wantValue(t, r, err, "1")
	}
	var size int64
	for _, path := range snapshotFiles(t, data) {
		if info, err := os.Stat(path); err == nil {
			size += info.Size()
		}
	}
	if size > 1<<20 {
		t.Errorf("%d bytes on disk", size)
	}
}

func TestRealSnapshotsOff(t *testing.T) {
	data := t.TempDir()
	s := openReal(t, func(o *supervisor.Options) { keeping(data)(o); o.MaxSnapshots = -1 })
	deploy(t, s, "acme", "f", born, slowly)
	first, r := invokeBorn(t, s)
	restartProcess(t, r)
	if again, _ := invokeBorn(t, s); again == first {
		t.Errorf("its top level did not run again: %s", again)
	}
	if _, err := os.Stat(filepath.Join(data, "snapshots")); err == nil {
		t.Error("there is a folder")
	}
}

// A folder that cannot be written is the operator's to hear of, once; deploys
// and invocations go on.
func TestRealSnapshotsCannotBeStored(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "snapshots"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	logged := func(o *supervisor.Options) {
		keeping(data)(o)
		o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s := openReal(t, logged)
	deploy(t, s, "acme", "f", born, slowly)
	invokeBorn(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log.count("snapshots cannot be kept") != 1 {
		t.Errorf("log:\n%s", log)
	}
	if err := os.Remove(filepath.Join(data, "snapshots")); err != nil {
		t.Fatal(err)
	}
	s = openReal(t, logged)
	blocked := filepath.Join(data, "snapshots", "acme")
	if err := errors.Join(os.RemoveAll(blocked), os.WriteFile(blocked, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		deploy(t, s, "acme", fmt.Sprint("g", n), `() => 1`, slowly)
		r, err := s.Invoke(t.Context(), "acme", fmt.Sprint("g", n), nil)
		wantValue(t, r, err, "1")
	}
	if n := s.Stats(); n.SnapshotsFailed != 3 || n.SnapshotsStored != 0 {
		t.Errorf("stats %+v", n)
	}
	if log.count("could not be stored") != 1 {
		t.Errorf("log:\n%s", log)
	}
}

func TestRealWarmSnapshot(t *testing.T) {
	s := openReal(t, nil)
	warm := func(f *supervisor.FunctionSpec) { f.Isolation = supervisor.Warm }
	deploy(t, s, "acme", "f", `let n = 10; () => ++n`, slowly, warm)
	for range 2 {
		var r supervisor.Result
		var err error
		for _, want := range []string{"11", "12"} {
			r, err = invoke(t, s)
			wantValue(t, r, err, want)
		}
		restartProcess(t, r)
	}
	if n := s.Stats().SnapshotsUsed; n != 2 {
		t.Errorf("%d snapshots used", n)
	}
}
