package plugins_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/plugins"
)

var built string // the directory of the faulty plugin

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "faulty"), "./testdata/faulty")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		built = dir
		return m.Run()
	}())
}

// folder makes a folder with the faulty plugin, which starts in this mode.
func folder(t testing.TB, mode string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Link(filepath.Join(built, "faulty"), filepath.Join(dir, "faulty")); err != nil {
		t.Fatal(err)
	}
	setMode(t, dir, mode)
	return dir
}

func setMode(t testing.TB, dir, mode string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "mode"), []byte(mode), 0o600); err != nil {
		t.Fatal(err)
	}
}

// book is a log to look into.
type book struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// open starts the faulty plugin, and checks at the end that nothing is left.
func open(t testing.TB, dir string) (map[string]platform.API, *book) {
	t.Helper()
	noLeaks(t)
	log := &book{}
	p, err := plugins.Open(t.Context(), plugins.Options{
		Dir: dir, MaxConcurrent: 2, StartTimeout: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	byName := map[string]platform.API{}
	for _, api := range p.APIs() {
		byName[api.Name] = api
		if p.Source(api.Name) != "faulty" {
			t.Errorf("%s comes from %q", api.Name, p.Source(api.Name))
		}
	}
	return byName, log
}

func call(ctx context.Context, api platform.API, args string) (string, error) {
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(args), &list); err != nil {
		return "", err
	}
	if err := api.Schema.CheckArguments(list); err != nil {
		return "", err
	}
	v, err := api.Func(ctx, &platform.Call{Tenant: "acme", Function: "f", Invocation: "i-1", Args: list})
	if err != nil || v == nil {
		return "undefined", err
	}
	return string(v.(json.RawMessage)), nil
}

func wantError(t *testing.T, err error, name, part string) *platform.Error {
	t.Helper()
	var known *platform.Error
	if !errors.As(err, &known) || known.Name != name || !strings.Contains(known.Message, part) {
		t.Fatalf("got %v, want a %s with %q", err, name, part)
	}
	return known
}

func TestCalls(t *testing.T) {
	apis, _ := open(t, folder(t, ""))
	for _, tt := range []struct{ api, args, want string }{
		{"test.echo", `[{"a":[1,null,"ü"]}]`, `{"a":[1,null,"ü"]}`},
		{"test.echo", `[null]`, `null`},
		{"test.caller", `[]`, `{"function":"f","invocation":"i-1","limited":true,"tenant":"acme"}`},
		{"test.log", `[1,2]`, `undefined`},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		got, err := call(ctx, apis[tt.api], tt.args)
		cancel()
		if err != nil || got != tt.want {
			t.Errorf("%s%s: got %s, %v", tt.api, tt.args, got, err)
		}
	}
	if apis["test.echo"].Doc != "what it is given" {
		t.Errorf("doc %q", apis["test.echo"].Doc)
	}

	_, err := call(t.Context(), apis["test.throw"], `[]`)
	if e := wantError(t, err, "NotFoundError", "no such place"); e.Properties["place"] != "x" {
		t.Errorf("properties %v", e.Properties)
	}
	_, err = call(t.Context(), apis["test.large"], `["many"]`)
	wantError(t, err, "TypeError", "arguments[0] must be an integer")

	// What is not for the tenant is no *platform.Error.
	var known *platform.Error
	if _, err := call(t.Context(), apis["test.fail"], `[]`); errors.As(err, &known) || !strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	if _, err := call(t.Context(), apis["test.panic"], `[]`); errors.As(err, &known) || !strings.Contains(err.Error(), "panic: oh") {
		t.Errorf("got %v", err)
	}
}

func TestLargeResults(t *testing.T) {
	apis, _ := open(t, folder(t, ""))
	got, err := call(t.Context(), apis["test.large"], fmt.Sprintf("[%d]", 4<<20-2))
	if err != nil || len(got) != 4<<20 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_, err = call(t.Context(), apis["test.large"], fmt.Sprintf("[%d]", 5<<20))
	wantError(t, err, "RangeError", "over 4194304 bytes")
}

func TestAccept(t *testing.T) {
	schema, err := platform.NewSchema(nil, json.RawMessage(`{"type":["object","null"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for result, ok := range map[string]bool{
		`{}`: true, ``: true, `{`: false, "{\"a\":\"\xff\"}": false, `1`: false, `{} {}`: false, `"` + strings.Repeat("a", 4<<20) + `"`: false,
	} {
		if _, err := plugins.Accept([]byte(result), schema); (err == nil) != ok {
			t.Errorf("%.20q: %v", result, err)
		}
	}
}

func TestLogOfACall(t *testing.T) {
	apis, _ := open(t, folder(t, ""))
	var lines []string
	_, err := apis["test.log"].Func(t.Context(), &platform.Call{Emit: func(level slog.Level, message string) {
		lines = append(lines, level.String()+" "+message)
	}})
	if err != nil || len(lines) != 1000 || lines[0] != "WARN first" || lines[1] != "INFO more" {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

func TestSurroundings(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "hunter2")
	dir := folder(t, "")
	apis, _ := open(t, dir)
	text, err := call(t.Context(), apis["test.surroundings"], `[]`)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Env []string
		Dir string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Dir != dir {
		t.Errorf("it runs in %s", got.Dir)
	}
	for _, e := range got.Env {
		name, _, _ := strings.Cut(e, "=")
		if !slices.Contains([]string{"PATH", "LANG", "BULKHEAD_PLUGIN"}, name) && !strings.HasPrefix(name, "PLUGIN_") {
			t.Errorf("its environment has %s", e)
		}
	}
}

func TestHungCallEndsWithItsContext(t *testing.T) {
	apis, _ := open(t, folder(t, ""))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := call(ctx, apis["test.hang"], `[]`)
	wantError(t, err, "TimeoutError", "test.hang did not answer in time")
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = call(ctx, apis["test.hang"], `[]`)
	wantError(t, err, "AbortError", "test.hang was aborted")
	// The plugin is none the worse.
	if got, err := call(t.Context(), apis["test.echo"], `[1]`); got != "1" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestOneTenantWaitsForItself(t *testing.T) {
	apis, _ := open(t, folder(t, "")) // two calls at once for each tenant
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() { _, _ = call(ctx, apis["test.hang"], `[]`) })
	}
	defer calls.Wait()
	defer cancel()
	// The third of this tenant waits, sooner or later; another tenant's does not.
	eventually(t, "a third call has to wait", func() bool {
		short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer end()
		_, err := call(short, apis["test.echo"], `[1]`)
		return err != nil
	})
	v, err := apis["test.echo"].Func(t.Context(), &platform.Call{Tenant: "other", Args: []json.RawMessage{json.RawMessage("1")}})
	if err != nil || string(v.(json.RawMessage)) != "1" {
		t.Errorf("got %s, %v", v, err)
	}
}

// kill ends the plugin's process, and returns its id.
func kill(t *testing.T, apis map[string]platform.API) int {
	t.Helper()
	n := pid(t, apis)
	if n <= 1 { // which would be this process's group
		t.Fatal("the plugin does not run")
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	return n
}

// pid returns the plugin's process, or 0 while it cannot be asked.
func pid(t *testing.T, apis map[string]platform.API) int {
	t.Helper()
	text, err := call(t.Context(), apis["test.pid"], `[]`)
	if err != nil {
		return 0
	}
	var n int
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestKilledInTheMiddleOfACall(t *testing.T) {
	dir := folder(t, "")
	apis, log := open(t, dir)
	failed := make(chan error, 1)
	go func() {
		_, err := call(t.Context(), apis["test.hang"], `[]`)
		failed <- err
	}()
	eventually(t, "it is in the call", func() bool {
		_, err := os.Stat(filepath.Join(dir, "hanging"))
		return err == nil
	})
	before := kill(t, apis)
	e := wantError(t, <-failed, "UnavailableError", "test.hang is not available at the moment: its plugin ended during the call")
	if e.Properties["retryable"] != true {
		t.Errorf("properties %v", e.Properties)
	}
	eventually(t, "it runs again", func() bool { after := pid(t, apis); return after != 0 && after != before })
	if !strings.Contains(log.String(), "a plugin ended, and is started again") || !strings.Contains(log.String(), "signal: killed") {
		t.Errorf("log:\n%s", log)
	}
}

func TestDiesInACall(t *testing.T) {
	apis, _ := open(t, folder(t, ""))
	_, err := call(t.Context(), apis["test.die"], `[]`)
	wantError(t, err, "UnavailableError", "its plugin ended during the call")
	eventually(t, "it runs again", func() bool { return pid(t, apis) != 0 })
}

func TestStoppedProcessIsReplaced(t *testing.T) {
	t.Cleanup(plugins.Impatient(50*time.Millisecond, time.Second))
	apis, log := open(t, folder(t, ""))
	before := pid(t, apis)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _ = call(ctx, apis["test.stop"], `[]`) // it may answer just before it stops
	eventually(t, "another runs", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err := call(ctx, apis["test.pid"], `[]`)
		return err == nil && got != fmt.Sprint(before)
	})
	if !strings.Contains(log.String(), "a plugin does not answer, and is killed") {
		t.Errorf("log:\n%s", log)
	}
}

func TestCloseEndsAStoppedProcess(t *testing.T) {
	noLeaks(t)
	p, err := plugins.Open(t.Context(), plugins.Options{Dir: folder(t, ""), StartTimeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range p.APIs() {
		if api.Name == "test.stop" {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, _ = call(ctx, api, `[]`)
			cancel()
		}
	}
	p.Close()
	if _, err := call(t.Context(), p.APIs()[0], `[1]`); err == nil {
		t.Error("a closed plugin answers")
	}
}

func TestCloseLetsItCleanUp(t *testing.T) {
	noLeaks(t)
	dir := folder(t, "")
	p, err := plugins.Open(t.Context(), plugins.Options{Dir: dir, StartTimeout: 20 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if _, err := os.Stat(filepath.Join(dir, "cleaned-up")); err != nil {
		t.Error(err)
	}
}

// JSON on a plugin's standard error makes go-plugin panic, unless it never
// reads it; and a flood must neither block the plugin nor fill our log.
func TestOutput(t *testing.T) {
	apis, log := open(t, folder(t, ""))
	if got, err := call(t.Context(), apis["test.flood"], `[3000]`); got != "3000" {
		t.Errorf("got %s, %v", got, err)
	}
	eventually(t, "its words are in the log", func() bool { return strings.Contains(log.String(), `to standard output?[31m`) })
	text := log.String()
	if !strings.Contains(text, `line="{\"@message\":1,\"@level\":2}"`) || strings.Contains(text, "level=WARN") {
		t.Errorf("log:\n%.2000s", text)
	}
	if n := strings.Count(text, "xxxxx\n"); n > 200 {
		t.Errorf("%d lines in the log", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	for mode, want := range map[string]string{
		"exit":     "it ended before its handshake (exit status 3); it said: no database: set one in plugin.yaml",
		"silent":   "it was not ready in time",
		"garbage":  `it is no plugin: it wrote "hello, I am a program" instead of a handshake`,
		"tcp":      "only a unix socket is accepted",
		"reserved": `"JSON.lines" would replace JavaScript's own JSON`,
	} {
		t.Run(mode, func(t *testing.T) {
			noLeaks(t)
			limit := 20 * time.Second
			if mode == "silent" {
				limit = 200 * time.Millisecond
			}
			dir := folder(t, mode)
			_, err := plugins.Open(t.Context(), plugins.Options{Dir: dir, StartTimeout: limit, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), filepath.Join(dir, "faulty")) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestOpenRefusesFolders(t *testing.T) {
	noLeaks(t)
	try := func(o plugins.Options, want string) {
		t.Helper()
		o.Logger, o.StartTimeout = slog.New(slog.DiscardHandler), 20*time.Second
		if _, err := plugins.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	try(plugins.Options{Dir: "/nowhere"}, "cannot read the folder of plugins")
	try(plugins.Options{Dir: t.TempDir()}, "has no executable file")
	dir := folder(t, "")
	try(plugins.Options{Dir: dir, Taken: []string{"log", "test.echo"}}, `there is an API named "test.echo" already`)
	try(plugins.Options{Dir: dir, Taken: []string{"test"}}, `"test.echo" and "test" exclude each other`)

	writable := t.TempDir()
	program := filepath.Join(writable, "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o777); err != nil {
		t.Fatal(err)
	}
	try(plugins.Options{Dir: writable}, "is writable by every user")
}

func TestOtherAPIsAfterRestart(t *testing.T) {
	dir := folder(t, "")
	apis, log := open(t, dir)
	setMode(t, dir, "fewer")
	kill(t, apis)
	eventually(t, "it is refused", func() bool { return strings.Contains(log.String(), "its APIs are not those that it had") })
	_, err := call(t.Context(), apis["test.echo"], `[1]`)
	wantError(t, err, "UnavailableError", "its plugin is being started again")
	setMode(t, dir, "")
	eventually(t, "it runs again", func() bool { return pid(t, apis) != 0 })
}

// noLeaks fails the test when it ends with more goroutines, descriptors or
// children than now, or with a directory for sockets.
func noLeaks(t testing.TB) {
	t.Helper()
	sockets, err := os.MkdirTemp("/tmp", "bt")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", sockets)
	goroutines, files := runtime.NumGoroutine(), count(t, "/proc/self/fd")
	t.Cleanup(func() {
		eventually(t, "goroutines are back", func() bool { return runtime.NumGoroutine() <= goroutines })
		eventually(t, "descriptors are back", func() bool { return count(t, "/proc/self/fd") <= files })
		tasks, _ := filepath.Glob("/proc/self/task/*/children")
		for _, task := range tasks {
			if text, _ := os.ReadFile(task); len(text) > 0 {
				t.Errorf("children left: %s", text)
			}
		}
		if n := count(t, sockets); n > 0 {
			t.Errorf("%d files left", n)
		}
		_ = os.RemoveAll(sockets)
		if t.Failed() {
			buf := make([]byte, 1<<20)
			t.Logf("goroutines:\n%s", buf[:runtime.Stack(buf, true)])
		}
	})
}

func count(t testing.TB, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}
