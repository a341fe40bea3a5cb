package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// open is a policy that allows everything.
const openPolicy = "version: 1\nname: open\ndefault: allow\n"

// options say how a supervisor is started.
type options struct {
	data   string // a new directory if empty
	config string
	temp   string   // where its sockets lie; a new directory if empty
	env    []string // beside the test's own
	// before goes before the program on the command line.
	before []string
	attr   *syscall.SysProcAttr
}

// daemon is a real supervisor process in a world of its own.
type daemon struct {
	t          *testing.T
	cmd        *exec.Cmd
	url        string
	data, temp string
	log        *text
	http       *http.Client
}

// text is what a process says.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *text) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *text) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// serve starts a supervisor and waits until it is ready.
func serve(t *testing.T, o options) *daemon {
	t.Helper()
	d, err := start(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start starts a supervisor, whose refusal to serve is the error.
func start(t *testing.T, o options) (*daemon, error) {
	t.Helper()
	if o.data == "" {
		o.data = t.TempDir()
	}
	if o.temp == "" {
		o.temp = shortDir(t)
	}
	config, policies := filepath.Join(o.temp, "config.yaml"), filepath.Join(o.temp, "policies")
	if err := os.MkdirAll(policies, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{config: o.config + "\npolicies: policies\n", filepath.Join(policies, "open.yaml"): openPolicy} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := append(append([]string{}, o.before...), filepath.Join(binaries, "supervisor"), "serve", "--listen", "127.0.0.1:0", "--data", o.data, "--config", config, "--log-level", "warn")
	d := &daemon{t: t, data: o.data, temp: o.temp, log: &text{}, cmd: exec.Command(args[0], args[1:]...)}
	d.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	d.cmd.Env = append(append(os.Environ(), "TMPDIR="+o.temp, "XDG_RUNTIME_DIR="+o.temp), o.env...)
	d.cmd.Stderr = d.log
	d.cmd.SysProcAttr = o.attr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		d.http.CloseIdleConnections()
		_ = d.cmd.Process.Kill() // it may have ended already
		_, _ = d.cmd.Process.Wait()
		if t.Failed() {
			t.Logf("the supervisor %d said:\n%s", d.cmd.Process.Pid, tail(d.log.String()))
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, after, found := strings.Cut(line, "listening on ")
	if err != nil || !found {
		_ = d.cmd.Wait()
		return nil, fmt.Errorf("the supervisor said %q: %s", line, d.log)
	}
	d.url, _, _ = strings.Cut(after, ",")
	return d, nil
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// shortDir is a temporary directory whose path leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bf")
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
	resp, err := d.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

func (d *daemon) putTenant(tenant string) error {
	if a, err := d.do("PUT", "/v1/tenants/"+tenant, "application/json", `{"policy":"open"}`); err != nil || a.status >= 300 {
		return fmt.Errorf("tenant %s: %d %s %w", tenant, a.status, a.body, err)
	}
	return nil
}

func (d *daemon) putFunction(tenant, function, code string) (answer, error) {
	return d.do("PUT", "/v1/tenants/"+tenant+"/functions/"+function, "text/javascript", code)
}

// deploy makes the tenant and deploys the function.
func (d *daemon) deploy(tenant, function, code string) error {
	if err := d.putTenant(tenant); err != nil {
		return err
	}
	if a, err := d.putFunction(tenant, function, code); err != nil || a.status >= 300 {
		return fmt.Errorf("function %s/%s: %d %s %w", tenant, function, a.status, a.body, err)
	}
	return nil
}

func (d *daemon) invoke(tenant, function, event string) (answer, error) {
	return d.do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke", "application/json", event)
}

// wants invokes and compares.
func (d *daemon) wants(tenant, function, event, want string) {
	d.t.Helper()
	if a, err := d.invoke(tenant, function, event); err != nil || a.status != http.StatusOK || a.body != want {
		d.t.Errorf("%s/%s(%s): %d %s, %v; want %s", tenant, function, event, a.status, a.body, err, want)
	}
}

// process returns the id of the process that a tenant's function runs in.
func (d *daemon) process(tenant, function, event string) (int, error) {
	a, err := d.do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke?detail=true", "application/json", event)
	if err != nil {
		return 0, err
	}
	var detail struct{ PID int }
	if json.Unmarshal([]byte(a.body), &detail) != nil || detail.PID == 0 {
		return 0, fmt.Errorf("no process in %d %s", a.status, a.body)
	}
	return detail.PID, nil
}

// children returns the ids of the processes that the supervisor has started.
func (d *daemon) children() (ids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", d.cmd.Process.Pid))
	for _, file := range tasks {
		list, _ := os.ReadFile(file) // the thread may have ended
		for field := range strings.FieldsSeq(string(list)) {
			if id, err := strconv.Atoi(field); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// metric returns the sum of a metric's values at /metrics.
func (d *daemon) metric(name string) (sum float64) {
	a, err := d.do("GET", "/metrics", "", "")
	if err != nil || a.status != http.StatusOK {
		d.t.Fatalf("/metrics: %d, %v", a.status, err)
	}
	for line := range strings.Lines(a.body) {
		if rest, found := strings.CutPrefix(line, name); found && (rest[0] == ' ' || rest[0] == '{') {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
			if err != nil {
				d.t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}

// alive reports whether a process still exists, a zombie not counted.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// kill kills the supervisor and checks that no process of it is left after a
// second.
func (d *daemon) kill() {
	d.t.Helper()
	children := d.children()
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	gone := time.Now().Add(time.Second)
	for _, id := range children {
		for alive(id) {
			if time.Now().After(gone) {
				d.t.Errorf("process %d is left a second after the supervisor was killed", id)
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// stop ends the supervisor as an operator does and checks that it leaves
// nothing behind.
func (d *daemon) stop() {
	d.t.Helper()
	children := d.children()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the supervisor ended with %v", err)
	}
	for _, id := range children {
		if alive(id) {
			d.t.Errorf("process %d is still there", id)
		}
	}
	if left, err := filepath.Glob(filepath.Join(d.temp, "bh-*")); err != nil || len(left) > 0 {
		d.t.Errorf("left behind: %v %v", left, err)
	}
	if panicked(d.log.String()) {
		d.t.Errorf("the supervisor said:\n%s", tail(d.log.String()))
	}
}

func panicked(log string) bool {
	return strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") || strings.Contains(log, "DATA RACE")
}

// inParallel calls f for 0 to n-1, 32 at a time.
func inParallel(t *testing.T, n int, f func(int) error) {
	t.Helper()
	var all sync.WaitGroup
	room := make(chan struct{}, 32)
	errs := make([]error, n)
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			errs[i] = f(i)
			<-room
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
