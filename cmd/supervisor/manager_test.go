package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestServiceManager(t *testing.T) {
	u := newServiceUnit(t, "--data", t.TempDir())
	d := u.start()
	ready, seen := u.await("READY=1", 0)
	if seen != 1 || !strings.Contains(ready, "\nSTATUS=serving on "+strings.TrimPrefix(u.url, "http://")) {
		t.Errorf("message %d: %q", seen, ready)
	}
	if c := d.run("tenant", "put", "acme", "--policy", "dev"); c.exit != 0 {
		t.Fatalf("on the manager's socket: %+v", c)
	}
	beat, seen := u.await("WATCHDOG=1", seen)
	if !strings.Contains(beat, "\nSTATUS=serving") {
		t.Errorf("%q", beat)
	}
	u.await("WATCHDOG=1", seen)

	for _, env := range environments(t, d.cmd.Process.Pid) {
		for _, ours := range []string{"NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"} {
			if strings.Contains(env, ours) {
				t.Errorf("a child has %s", env)
			}
		}
	}

	before := u.count()
	d.cmd.Process.Signal(syscall.SIGHUP)
	reloading, seen := u.await("RELOADING=1", before)
	if !strings.Contains(reloading, "\nMONOTONIC_USEC=") {
		t.Errorf("%q", reloading)
	}
	u.await("READY=1", seen)

	before = u.count()
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d", exit)
	}
	stopping, _ := u.await("STOPPING=1", before)
	if !strings.Contains(stopping, "\nEXTEND_TIMEOUT_USEC=45000000") {
		t.Errorf("%q", stopping)
	}
}

// environments returns the environment of each child that lets us read it.
func environments(t *testing.T, pid int) (list []string) {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		for _, child := range strings.Fields(string(children)) {
			if env, err := os.ReadFile("/proc/" + child + "/environ"); err == nil {
				list = append(list, strings.ReplaceAll(string(env), "\x00", " "))
			}
		}
	}
	return list
}

func TestServiceManagersSocketIsRefused(t *testing.T) {
	for name, want := range map[string]string{"metrics": "passed the sockets metrics; serve knows one http and one functions", "http": "other machines reach it"} {
		u := newServiceUnit(t, "--data", t.TempDir())
		if u.name = name; name == "http" {
			ln := listenAnywhere(t)
			u.socket.Close()
			u.socket = ln
		}
		d := u.start()
		if exit := d.wait(); exit != 2 {
			t.Errorf("%s: exit %d", name, exit)
		}
		if message, _ := u.await("STATUS=ended: ", 0); !strings.Contains(message, want) {
			t.Errorf("%s: %q", name, message)
		}
	}
}

// Clients that use their connections see nothing of a restart: every request is
// answered, once, by the old supervisor or the new one.
func TestRestartLosesNoRequest(t *testing.T) {
	u := newServiceUnit(t, "--data", t.TempDir())
	functions := u.pass("functions")
	d := u.start()
	_, seen := u.await("READY=1", 0)
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/echo", write(t, "echo.js", "async (e) => { if (e % 10 === 0) await new Promise((r) => setTimeout(r, 200)); return e }"))
	d.ok("deploy", "acme/web", write(t, "web.js", "export default { fetch: async (r) => new Response(await r.text()) }"))

	ctx, stop := context.WithCancel(t.Context())
	var answered, served atomic.Int64
	var clients sync.WaitGroup
	for i := range 8 {
		url, count := u.url+"/v1/tenants/acme/functions/echo/invoke", &answered
		if i < 3 {
			url, count = functions+"/acme/web/", &served
		}
		clients.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for n := 0; ctx.Err() == nil; n++ {
				body := fmt.Sprint(n)
				// A body of a type that cannot be sent a second time unseen.
				resp, err := client.Post(url, "application/json", io.MultiReader(strings.NewReader(body)))
				if err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || string(got) != body {
					t.Errorf("request %d: %s %s %v", n, resp.Status, got, err)
					return
				}
				count.Add(1)
			}
		})
	}
	for range 3 {
		until(t, "requests are answered", func() bool { return answered.Load() > 0 && served.Load() > 0 })
		if exit := d.end(); exit != 0 {
			t.Errorf("exit %d", exit)
		}
		answered.Store(0)
		served.Store(0)
		d = u.start()
		_, seen = u.await("READY=1", seen)
	}
	until(t, "requests are answered", func() bool { return answered.Load() > 0 && served.Load() > 0 })
	stop()
	clients.Wait()
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

// A client that holds an unused connection learns that it will be closed from
// the answer to the next request on it.
func TestIdleConnectionIsToldOfTheEnd(t *testing.T) {
	u := newServiceUnit(t, "--data", t.TempDir())
	d := u.start()
	_, seen := u.await("READY=1", 0)
	get := func() *http.Response {
		resp, err := http.Get(u.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp
	}
	defer http.DefaultClient.CloseIdleConnections()
	if resp := get(); resp.Close {
		t.Fatal("the connection is closed")
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	u.await("STOPPING=1", seen)
	until(t, "the client is told", func() bool { resp := get(); return resp.Close && resp.StatusCode == 200 })
	if exit := d.wait(); exit != 0 {
		t.Errorf("exit %d", exit)
	}
}

// Who is still running when the drain's time is up is told so.
func TestDrainOfKeptSocketHasALimit(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	gate := gateServer(t, arrived, release)
	u := newServiceUnit(t, "--data", t.TempDir(), "--drain-timeout", "50ms")
	d := u.start()
	u.await("READY=1", 0)
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/wait", write(t, "wait.js", "async (e) => (await fetch(e)).status"), "--timeout", "30s")
	answered := make(chan command, 1)
	go func() { answered <- d.run("invoke", "acme/wait", "--event", fmt.Sprintf("%q", gate)) }()
	<-arrived
	if exit := d.end(); exit != 0 {
		t.Errorf("exit %d", exit)
	}
	if c := <-answered; c.exit == 0 || strings.Contains(c.stderr, "EOF") || strings.Contains(c.stderr, "reset") {
		t.Errorf("%+v", c)
	}
}
