// Package daemon runs the real supervisor for tests, each in a world of its own:
// what it holds, and what it leaves behind, can be counted.
package daemon

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const module = "github.com/bulkhead-run/bulkhead/"

// binaries is the directory of the binaries under test.
var binaries string

// Main is a TestMain: it builds the binaries, which the tests then run.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead-tests")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // other users run them, too
		panic(err)
	}
	binaries = dir
	build := exec.Command("go", "build", "-o", dir+"/", module+"cmd/supervisor", module+"cmd/sandbox", module+"cmd/database")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(fmt.Sprintf("building the binaries: %v", err))
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// Command is a run of the supervisor's command line that has not begun.
func Command(args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(binaries, "supervisor"), args...)
}

// Options say how a supervisor is started.
type Options struct {
	Data   string // a new directory if empty
	Config string
	Temp   string   // where its sockets lie; a new directory if empty
	Env    []string // beside the test's own
	// Before goes before the program on the command line.
	Before []string
	Attr   *syscall.SysProcAttr
	// UID is who it runs as, in a home of its own; 0 is who runs the test.
	UID int
}

// Daemon is a supervisor process.
type Daemon struct {
	T          *testing.T
	Cmd        *exec.Cmd
	URL        string
	Data, Temp string
	Log        *Text
	HTTP       *http.Client
}

// Text is what a process says.
type Text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *Text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *Text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// Tail is the end of it.
func (w *Text) Tail() string {
	s := w.String()
	return s[max(0, len(s)-4000):]
}

// Serve starts a supervisor and waits until it is ready. The test's end ends it.
func Serve(t *testing.T, o Options) *Daemon {
	t.Helper()
	d, err := Start(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Start is Serve for a supervisor that may refuse to serve, which is the error.
func Start(t *testing.T, o Options) (*Daemon, error) {
	t.Helper()
	if o.Temp == "" {
		o.Temp = ShortDir(t)
	}
	switch {
	case o.Data == "" && o.UID != 0: // nobody else gets into the test's own
		o.Data = filepath.Join(o.Temp, "data")
		if err := os.Mkdir(o.Data, 0o700); err != nil {
			t.Fatal(err)
		}
	case o.Data == "":
		o.Data = t.TempDir()
	}
	config := filepath.Join(o.Temp, "config.yaml")
	if err := os.WriteFile(config, []byte(o.Config), 0o644); err != nil {
		t.Fatal(err)
	}
	// The engine's compiled code is shared, or every supervisor would make its own.
	cache := filepath.Join(binaries, "cache")
	if o.UID != 0 {
		if _, err := os.Stat(cache); errors.Is(err, fs.ErrNotExist) {
			Serve(t, Options{}).Stop() // which fills it
		}
		compiled := os.DirFS(cache)
		cache = filepath.Join(o.Temp, "cache")
		if err := os.CopyFS(cache, compiled); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{o.Data, o.Temp} {
			if err := giveAway(dir, o.UID); err != nil {
				t.Fatal(err)
			}
		}
		o.Attr = As(o.UID)
		o.Env = append(o.Env, "HOME="+o.Temp)
	}
	args := append(append([]string{}, o.Before...), filepath.Join(binaries, "supervisor"), "serve", "--listen", "127.0.0.1:0", "--data", o.Data, "--config", config, "--log-level", "warn")
	d := &Daemon{T: t, Data: o.Data, Temp: o.Temp, Log: &Text{}, Cmd: exec.Command(args[0], args[1:]...)}
	d.HTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	d.Cmd.Env = append(append(os.Environ(), "TMPDIR="+o.Temp, "XDG_RUNTIME_DIR="+o.Temp, "CACHE_DIRECTORY="+cache), o.Env...)
	d.Cmd.Stderr = d.Log
	d.Cmd.SysProcAttr = o.Attr
	out, err := d.Cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		d.HTTP.CloseIdleConnections()
		_ = d.Cmd.Process.Kill() // it may have ended already
		_, _ = d.Cmd.Process.Wait()
		if t.Failed() {
			t.Logf("the supervisor %d said:\n%s", d.Cmd.Process.Pid, d.Log.Tail())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, after, found := strings.Cut(line, "listening on ")
	if err != nil || !found {
		_ = d.Cmd.Wait()
		return nil, fmt.Errorf("the supervisor said %q: %s", line, d.Log)
	}
	d.URL, _, _ = strings.Cut(after, ",")
	return d, nil
}

// NoUser returns the id of a user that there is not, whom only root can be.
func NoUser(t *testing.T) int {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	for uid := 61000; uid < 62000; uid++ {
		_, err := user.LookupId(strconv.Itoa(uid))
		if _, unknown := err.(user.UnknownUserIdError); unknown && !runs(uid) {
			return uid
		}
	}
	t.Skip("there is no user id to be had")
	return 0
}

// runs tells whether there is a process of the user's.
func runs(uid int) bool {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.Sys().(*syscall.Stat_t).Uid == uint32(uid) {
			return true
		}
	}
	return false
}

// As is a process of the user's, and of no group but its own.
func As(uid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
}

// giveAway makes all below a directory a user's.
func giveAway(dir string, uid int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

// ShortDir is a temporary directory whose path leaves room for a socket's: it
// may have 107 bytes.
func ShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Kill kills the supervisor and checks that no process of it is left after a
// second.
func (d *Daemon) Kill() {
	d.T.Helper()
	children := d.Children()
	_ = d.Cmd.Process.Kill()
	_ = d.Cmd.Wait()
	gone := time.Now().Add(time.Second)
	for _, id := range children {
		for Alive(id) {
			if time.Now().After(gone) {
				d.T.Errorf("process %d is left a second after the supervisor was killed", id)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// Stop ends the supervisor as an operator does and checks that it leaves nothing
// behind.
func (d *Daemon) Stop() {
	d.T.Helper()
	children := d.Children()
	if used, _ := filepath.Glob(filepath.Join(d.Temp, "bh-*")); len(used) == 0 {
		d.T.Error("the supervisor keeps its sockets elsewhere: nothing can be told about what it leaves")
	}
	if err := d.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.T.Fatal(err)
	}
	if err := d.Cmd.Wait(); err != nil {
		d.T.Errorf("the supervisor ended with %v", err)
	}
	for _, id := range children {
		if Alive(id) {
			d.T.Errorf("process %d is still there", id)
		}
	}
	if left, err := filepath.Glob(filepath.Join(d.Temp, "bh-*")); err != nil || len(left) > 0 {
		d.T.Errorf("left behind: %v %v", left, err)
	}
	if Panicked(d.Log.String()) {
		d.T.Errorf("the supervisor said:\n%s", d.Log.Tail())
	}
}

// Panicked tells whether what a process said is of its own fault. What a sandbox
// said that died stands within a line.
func Panicked(log string) bool {
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "WARNING: DATA RACE") {
			return true
		}
	}
	return false
}
