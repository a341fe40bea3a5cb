package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// small is a supervisor whose data directory is a small file system of its own,
// in a mount namespace that only it is in.
type small struct {
	*daemon.Daemon
	dir string // the data directory, as this process sees it
}

// mounting returns a program before which the shell mounts something, and what it
// needs to be allowed to.
func mounting(t *testing.T, mount string, args ...string) ([]string, *syscall.SysProcAttr) {
	t.Helper()
	for _, tool := range []string{"sh", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	before := append([]string{"sh", "-c", `mount --make-rprivate / && ` + mount + ` && exec "$@"`}, args...)
	probe := exec.Command(before[0], append(before[1:], "true")...)
	probe.SysProcAttr = attr
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted: %v %s", err, out)
	}
	return before, attr
}

// serveSmall mounts a tmpfs with the options over a data directory that is
// otherwise empty.
func serveSmall(t *testing.T, mount string) *small {
	t.Helper()
	data := t.TempDir()
	before, attr := mounting(t, `mount -t tmpfs -o "$0" tmpfs "$1" && shift`, mount, data)
	d := daemon.Serve(t, daemon.Options{Data: data, Config: "spares: 1\ndb: {max_size: 256MiB}", Before: before, Attr: attr})
	s := &small{Daemon: d, dir: fmt.Sprintf("/proc/%d/root%s", d.Cmd.Process.Pid, data)}
	if _, err := os.Stat(filepath.Join(s.dir, "registry")); err != nil {
		t.Skipf("the supervisor's file system cannot be seen: %v", err)
	}
	return s
}

// fill writes until there is no room left.
func (s *small) fill() {
	s.T.Helper()
	f, err := os.Create(filepath.Join(s.dir, "filling"))
	if err != nil {
		s.T.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		for {
			if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				s.T.Fatal(err)
			}
		}
	}
}

// fillNodes makes files until no more can be made.
func (s *small) fillNodes() {
	s.T.Helper()
	dir := filepath.Join(s.dir, "filling")
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.T.Fatal(err)
	}
	for n := 0; ; n++ {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(n)))
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			s.T.Fatal(err)
		}
		_ = f.Close()
	}
}

func (s *small) free() {
	s.T.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "filling")); err != nil {
		s.T.Fatal(err)
	}
}

// keeper writes what it is asked to, wherever a function can, and says how each
// write ended.
const keeper = `export default async ({ write, size, n }) => {
	const data = 'x'.repeat(size ?? 10);
	const told = async (f) => { try { await f(); return 'ok' } catch (e) { return e.name } };
	if (!write) return {
		kv: (await kv.get('k'))?.length, storage: (await (await storage.get('o'))?.text?.())?.length,
		db: (await db.query('SELECT count(*) AS c FROM t'))[0].c,
	};
	return {
		kv: await told(() => kv.put('k', data)),
		storage: await told(() => storage.put('o', data)),
		db: await told(async () => { await db.exec('CREATE TABLE IF NOT EXISTS t (a)'); await db.exec('INSERT INTO t VALUES (?)', [data]) }),
		queue: await told(() => queue.send('q', data.slice(0, 1000))),
	};
}`

// A disk that is full or has no inodes left: what has to be written fails with an error that says so, all else goes on, and nothing has
// to be restarted when there is room again.
func TestDiskFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mount       string
		break_, fix func(s *small)
	}{
		"full":      {"size=96m", (*small).fill, (*small).free},
		"no inodes": {"size=256m,nr_inodes=400", (*small).fillNodes, (*small).free},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveSmall(t, c.mount)
			if err := errors.Join(s.Deploy("acme", "keep", keeper), s.Deploy("acme", "old", "export default () => 'old'"), s.Deploy("zeta", "f", double)); err != nil {
				t.Fatal(err)
			}
			s.Wants("acme", "keep", `{"write":true,"size":10}`, `{"kv":"ok","storage":"ok","db":"ok","queue":"ok"}`)
			s.Wants("zeta", "f", `{"n":4}`, `{"twice":8}`)
			c.break_(s)

			// Calls go on, in new processes, too.
			s.Wants("zeta", "f", `{"n":5}`, `{"twice":10}`)
			if pid, err := s.Process("zeta", "f", `{"n":1}`); err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
				t.Fatal(err)
			}
			daemon.Eventually(t, "there is a new process", func() bool {
				a, err := s.Invoke("zeta", "f", `{"n":6}`)
				return err == nil && a.Body == `{"twice":12}`
			})
			s.Wants("acme", "old", "null", `"old"`)
			// Writes fail, or had room: what they say is true.
			wrote := map[string]string{}
			a, err := s.Invoke("acme", "keep", `{"write":true,"size":40000}`)
			if err != nil || a.Status != http.StatusOK {
				t.Fatalf("writing: %d %s %v", a.Status, a.Body, err)
			}
			decode(t, a.Body, &wrote)
			t.Logf("writes: %v", wrote)
			failed := 0
			for api, how := range wrote {
				if how != "ok" {
					failed++
				}
				if how != "ok" && how != "UnavailableError" && how != "DatabaseError" {
					t.Errorf("%s ended with %s", api, how)
				}
			}
			if failed < 2 {
				t.Errorf("the disk took nearly all: %v", wrote)
			}
			want := map[string]any{"kv": 10.0, "storage": 10.0, "db": 1.0}
			if wrote["kv"] == "ok" {
				want["kv"] = 40000.0
			}
			if wrote["storage"] == "ok" {
				want["storage"] = 40000.0
			}
			if wrote["db"] == "ok" {
				want["db"] = 2.0
			}
			got := map[string]any{}
			if a, err := s.Invoke("acme", "keep", `{}`); err != nil || a.Status != http.StatusOK {
				t.Errorf("reading: %d %s %v", a.Status, a.Body, err)
			} else {
				decode(t, a.Body, &got)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("kept are %v, want %v", got, want)
			}
			// A deploy fails as a whole, or is whole.
			big := "export default () => 'new'; //" + strings.Repeat("x", 200_000)
			a, err = s.PutFunction("acme", "old", big, "")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("deploy: %d %.300s", a.Status, a.Body)
			if a.Status < 300 {
				s.Wants("acme", "old", "null", `"new"`)
			} else {
				s.Wants("acme", "old", "null", `"old"`)
				if a.Status != http.StatusServiceUnavailable {
					t.Errorf("deploy: %d %s", a.Status, a.Body)
				}
			}

			c.fix(s)
			daemon.Eventually(t, "everything can be written again", func() bool {
				a, err := s.Invoke("acme", "keep", `{"write":true,"size":20}`)
				return err == nil && a.Body == `{"kv":"ok","storage":"ok","db":"ok","queue":"ok"}`
			})
			daemon.Eventually(t, "functions can be deployed again", func() bool { return s.Deploy("acme", "old", "export default () => 'fixed'") == nil })
			s.Wants("acme", "old", "null", `"fixed"`)
			s.Stop()
		})
	}
}

const double = `export default ({ n }) => ({ twice: 2 * n })`

// Where fsync fails, nothing is acknowledged: a supervisor that cannot make sure
// of its own files does not serve.
func TestFsyncFails(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := daemon.Serve(t, daemon.Options{Data: data, Config: "spares: 1"})
	if err := d.Deploy("acme", "f", "export default () => 1"); err != nil {
		t.Fatal(err)
	}
	d.Stop()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	broken, err := daemon.Start(t, daemon.Options{Data: data, Before: []string{self}, Env: []string{failFsyncKey + "=1"}})
	if err == nil {
		// It serves: then it must not acknowledge.
		broken.Wants("acme", "f", "null", "1")
		if a, err := broken.PutFunction("acme", "f", "export default () => 2", ""); err == nil && a.Status < 300 {
			t.Errorf("a deploy was acknowledged: %d %s", a.Status, a.Body)
		}
		broken.Kill()
	} else if !strings.Contains(err.Error(), "input/output error") || !strings.Contains(err.Error(), data) || daemon.Panicked(err.Error()) {
		t.Errorf("it says: %v", err)
	} else {
		t.Logf("it says: %v", err)
	}
	d = daemon.Serve(t, daemon.Options{Data: data})
	d.Wants("acme", "f", "null", "1")
	d.Stop()
}

// A data directory on a read-only file system is refused with what to do.
func TestReadOnlyData(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := daemon.Serve(t, daemon.Options{Data: data})
	d.Stop()
	before, attr := mounting(t, `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"`, data)
	_, err := daemon.Start(t, daemon.Options{Data: data, Before: before, Attr: attr})
	if err == nil || !strings.Contains(err.Error(), "read-only file system") || !strings.Contains(err.Error(), "--data") || daemon.Panicked(err.Error()) {
		t.Errorf("it says: %v", err)
	}
}
