package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// binaries is the directory of the binaries under test.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead-tests")
	if err != nil {
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

// daemon is a real supervisor process, in a world of its own: its temporary
// files can be counted.
type daemon struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	temp string
}

// serve starts a supervisor on the data directory and waits until it is ready.
func serve(t *testing.T, data, config string) *daemon {
	t.Helper()
	d := &daemon{t: t, temp: shortDir(t)}
	file := filepath.Join(d.temp, "config.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d.cmd = exec.Command(filepath.Join(binaries, "supervisor"), "serve", "--listen", "127.0.0.1:0", "--data", data, "--config", file, "--log-level", "warn")
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.temp, "XDG_RUNTIME_DIR="+d.temp)
	d.cmd.Stderr = os.Stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // it may have ended already
		_, _ = d.cmd.Process.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, after, found := strings.Cut(line, "listening on ")
	if err != nil || !found {
		t.Fatalf("the supervisor said %q: %v", line, err)
	}
	d.url, _, _ = strings.Cut(after, ",")
	return d
}

// shortDir is a temporary directory whose path leaves room for a socket's: it
// may have 107 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bt")
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

// answer is an HTTP response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem returns the last part of a problem answer's type.
func (a answer) problem() string {
	var p struct{ Type string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		return ""
	}
	return p.Type[strings.LastIndex(p.Type, "/")+1:]
}

func (d *daemon) do(method, path, contentType, body string) (answer, error) {
	r, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

func (d *daemon) deploy(tenant, function, code string) error {
	if a, err := d.do("PUT", "/v1/tenants/"+tenant, "application/json", "{}"); err != nil || a.status >= 300 {
		return fmt.Errorf("tenant %s: %d %s %w", tenant, a.status, a.body, err)
	}
	if a, err := d.do("PUT", "/v1/tenants/"+tenant+"/functions/"+function, "text/javascript", code); err != nil || a.status >= 300 {
		return fmt.Errorf("function %s/%s: %d %s %w", tenant, function, a.status, a.body, err)
	}
	return nil
}

func (d *daemon) invoke(tenant, function, event string) (answer, error) {
	return d.do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke", "application/json", event)
}

// process returns the id of the process that a tenant's function runs in.
func (d *daemon) process(tenant, function string) int {
	d.t.Helper()
	a, err := d.do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke?detail=true", "application/json", "null")
	var detail struct{ PID int }
	if err != nil || json.Unmarshal([]byte(a.body), &detail) != nil || detail.PID == 0 {
		d.t.Fatalf("no process in %s: %v", a.body, err)
	}
	return detail.PID
}

// children returns the ids of the processes that the supervisor has started.
func (d *daemon) children() []int {
	d.t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	var ids []int
	for _, file := range tasks {
		list, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(list)) {
			id, err := strconv.Atoi(field)
			if err != nil {
				d.t.Fatal(err)
			}
			ids = append(ids, id)
		}
	}
	return ids
}

// alive reports whether a process still exists, a zombie not counted: init may
// take its time with those.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// stop ends the supervisor as an operator does and checks that it leaves
// nothing behind.
func (d *daemon) stop() {
	d.t.Helper()
	children := d.children()
	if used, _ := filepath.Glob(filepath.Join(d.temp, "bh-*")); len(used) == 0 {
		d.t.Error("the supervisor keeps its sockets elsewhere: nothing can be told about what it leaves")
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the supervisor ended with %v", err)
	}
	for _, id := range children {
		if alive(id) {
			d.t.Errorf("sandbox process %d is still there", id)
		}
	}
	d.checkTemp()
}

// checkTemp checks that no socket and no directory of a process is left.
func (d *daemon) checkTemp() {
	d.t.Helper()
	left, err := filepath.Glob(filepath.Join(d.temp, "bh-*"))
	if err != nil || len(left) > 0 {
		d.t.Errorf("left behind: %v %v", left, err)
	}
}
