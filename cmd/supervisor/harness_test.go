package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binaries is the directory with the real supervisor and sandbox, which the
// end-to-end tests run.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir, "../supervisor", "../sandbox", "../database")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		binaries = dir
		code := m.Run()
		if left := running(dir); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "processes left behind: %v\n", left)
			return 1
		}
		return code
	}())
}

// running returns the processes whose program lies in dir, once there are none
// or they have had time enough to end.
func running(dir string) (pids []string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		pids = nil
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, link := range links {
			if exe, err := os.Readlink(link); err == nil && strings.HasPrefix(exe, dir+"/") {
				pids = append(pids, filepath.Base(filepath.Dir(link)))
			}
		}
		if len(pids) == 0 || time.Now().After(deadline) {
			return pids
		}
	}
}

// command is one run of the real supervisor.
type command struct {
	stdout, stderr string
	exit           int
}

func start(t *testing.T, stdin string, args ...string) (*exec.Cmd, *buffer) {
	t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "supervisor"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	// The engine's compiled code is shared, or every run would make its own.
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(binaries, "cache"), "XDG_DATA_HOME="+t.TempDir(), "BULKHEAD_SERVER=")
	var stderr buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

func supervise(t *testing.T, stdin string, args ...string) command {
	t.Helper()
	cmd, stderr := start(t, stdin, args...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command{string(out), stderr.String(), cmd.ProcessState.ExitCode()}
}

// daemon is a running `supervisor serve`.
type daemon struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	out    chan string // the lines that it prints after the first
	stderr *buffer
	exited chan struct{}
}

func serveDaemon(t *testing.T, args ...string) *daemon {
	t.Helper()
	args = append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)
	cmd, stderr := start(t, "", args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, cmd: cmd, stderr: stderr, out: make(chan string, 1), exited: make(chan struct{})}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		defer close(d.out)
		if line, err := lines.ReadString('\n'); err == nil {
			d.out <- line
		}
		io.Copy(io.Discard, lines)
		cmd.Wait()
		close(d.exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-d.exited
	})
	_, rest, found := strings.Cut(line, "listening on ")
	if err != nil || !found {
		cmd.Process.Kill()
		<-d.exited
		t.Fatalf("serve did not start: %q %v\n%s", line, err, stderr)
	}
	d.url, _, _ = strings.Cut(rest, ",")
	return d
}

// functions returns where the daemon, which has --functions-listen, serves them.
func (d *daemon) functions(t *testing.T) string {
	t.Helper()
	line := <-d.out
	_, url, found := strings.Cut(line, "functions at ")
	url, _, cut := strings.Cut(url, "/TENANT/")
	if !found || !cut {
		t.Fatalf("serve says %q of functions", line)
	}
	return url
}

func (d *daemon) run(args ...string) command {
	d.t.Helper()
	return supervise(d.t, "", append(args, "--server", d.url)...)
}

// ok runs a command that must succeed and returns what it printed.
func (d *daemon) ok(args ...string) string {
	d.t.Helper()
	c := d.run(args...)
	if c.exit != 0 {
		d.t.Fatalf("%q: exit %d\n%s%s", args, c.exit, c.stdout, c.stderr)
	}
	return c.stdout
}

// end sends SIGTERM and returns the exit code.
func (d *daemon) end() int {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	return d.wait()
}

func (d *daemon) wait() int {
	d.t.Helper()
	select {
	case <-d.exited:
	case <-time.After(30 * time.Second):
		d.t.Fatal("the supervisor does not end")
	}
	return d.cmd.ProcessState.ExitCode()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gateServer answers its first request when release is closed, and tells when
// that request has arrived. It returns its URL.
func gateServer(t *testing.T, arrived chan<- struct{}, release <-chan struct{}) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			return
		}
		close(arrived)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}
