package supervisor_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// safeBuffer is a log that many goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *safeBuffer) count(part string) int { return strings.Count(b.String(), part) }

// Each of these is something that no sandbox of ours does. The process has to
// go, the caller has to hear Crashed, a neighbour must not notice, and the
// tenant's next invocation must work.
func TestCompromisedSandbox(t *testing.T) {
	var text safeBuffer
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{upper()}
		o.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	deploy(t, s, "neighbour", "fine", "pid")
	neighbour, err := s.Invoke(t.Context(), "neighbour", "fine", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, source string }{
		{"result of a later invocation", "number 1\nreturn 1"},
		{"result of a far invocation", "number 1000000\nreturn 1"},
		{"host call of another invocation", "number 7\ncall-only upper [\"a\"]"},
		{"log of another invocation", "number 7\nlog info hello"},
		{"host call with a used id", "call upper [\"a\"]\ncall-again upper [\"a\"]"},
		{"host call with id 0", "call-again upper [\"a\"]\ncall-again upper [\"a\"]"},
		{"host call of an unknown API", "call-only launch []"},
		{"host call without a name", "call-only"},
		{"host call with a long name", "call-only " + strings.Repeat("a", 200) + " []"},
		{"arguments that are no array", `call-only upper {"a":1}`},
		{"arguments that are no JSON", `call-only upper [1,`},
		{"unknown level", "log shout hello"},
		{"invalid UTF-8", "bad-utf8"},
		{"more lines than there is room for", "flood 1001\nreturn 1"},
		{"more bytes of log than there is room for", strings.Repeat("log info "+strings.Repeat("x", 20<<10)+"\n", 17) + "return 1"},
		{"a wait that is too short to tell of", "idle 1ms\nreturn 1"},
		{"a wait of less than nothing", "idle -1s\nreturn 1"},
		{"more waits than are told of", strings.Repeat("idle 1h\n", ipc.MaxIdles+1) + "return 1"},
		{"wait of another invocation", "number 7\nidle 1s"},
		{"result that is no JSON", "return {1}"},
		{"outcome policy", "outcome 6"},
		{"outcome overloaded", "outcome 9"},
		{"outcome unknown", "outcome 77"},
		{"outcome of many bits", "outcome 4294967295"},
		{"empty frame", "empty"},
		{"frame over the limit", fmt.Sprintf("large %d", ipc.MaxFrame)},
		{"stream hung up", "hang-up"},
		{"killed", "die"},
		{"exit", "exit panic: goroutine 1 [running]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A tenant of its own, for one whose processes keep dying is held back.
			const function = "evil"
			tenant := "f-" + strings.Map(func(r rune) rune {
				if r == ' ' {
					return '-'
				}
				return r
			}, strings.ToLower(tt.name))
			deploy(t, s, tenant, function, tt.source, timeout(20*time.Second))
			deploy(t, s, tenant, "fine", "return 1")
			_, err := s.Invoke(t.Context(), tenant, function, nil)
			e := wantOutcome(t, err, outcome.Crashed)
			if !e.Outcome.Retryable() || e.Tenant != tenant || e.Detail == "" {
				t.Errorf("error %+v", e)
			}
			r, err := s.Invoke(t.Context(), tenant, "fine", nil)
			wantValue(t, r, err, "1")
			r, err = s.Invoke(t.Context(), "neighbour", "fine", nil)
			wantValue(t, r, err, fmt.Sprint(neighbour.PID))
		})
	}
	if text.String() != "" {
		t.Errorf("a tenant caused log lines above info:\n%s", text.String())
	}
	if n := s.Stats(); n.Ended["violation"] != 27 || n.Ended["crash"] != 2 || n.Retried != 0 {
		t.Errorf("stats %+v", n)
	}
}

func TestLateFrame(t *testing.T) {
	s := open(t, nil)
	// A second result arrives when the slot is already the next invocation's.
	deploy(t, s, "mallory", "late", "return 1\nonce return 2")
	r, err := s.Invoke(t.Context(), "mallory", "late", nil)
	wantValue(t, r, err, "1")
	_, err = s.Invoke(t.Context(), "mallory", "late", nil)
	wantOutcome(t, err, outcome.Crashed)
	if s.Stats().Ended["violation"] != 1 {
		t.Errorf("stats %+v", s.Stats())
	}
}

func TestLyingSandbox(t *testing.T) {
	s := open(t, apis(upper()))
	for _, tt := range []struct {
		name, source string
		want         outcome.Outcome
	}{
		{"policy-unproved", "throw PermissionError upper is denied", outcome.Exception},
		{"canceled-unasked", "outcome 7", outcome.Internal},
		{"internal", "outcome 0", outcome.Internal},
		{"large", "large 1048576", outcome.Output},
		{"no-exception", "outcome 2", outcome.Exception},
	} {
		deploy(t, s, "mallory", tt.name, tt.source)
		_, err := s.Invoke(t.Context(), "mallory", tt.name, nil)
		wantOutcome(t, err, tt.want)
	}
	if n := s.Stats(); n.Ended["violation"] != 0 {
		t.Errorf("stats %+v", n)
	}
}

func TestEnvironmentIsEmpty(t *testing.T) {
	t.Setenv("BULKHEAD_TEST_SECRET", "hush")
	s := open(t, nil)
	deploy(t, s, "acme", "env", "environment")
	r, err := s.Invoke(t.Context(), "acme", "env", nil)
	if err != nil || strings.Contains(string(r.Value), "hush") || strings.Contains(string(r.Value), "HOME=") {
		t.Errorf("environment %s, error %v", r.Value, err)
	}
}

func TestNoInheritedDescriptors(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "open-in-the-supervisor"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := open(t, func(o *supervisor.Options) { o.DataDir = filepath.Join(dir, "data") })
	deploy(t, s, "acme", "fds", "descriptors")
	r, err := s.Invoke(t.Context(), "acme", "fds", nil)
	if err != nil || strings.Contains(string(r.Value), dir) {
		t.Errorf("descriptors %s, error %v", r.Value, err)
	}
}

// 14 bytes of JSON on stderr are enough to bring go-plugin's log parser down.
func TestOutputOfCompromisedSandbox(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "mallory", "json", "stderr {\"@message\":1}\nstderr {\"@level\":1}\nstderr panic: no\nreturn 1")
	deploy(t, s, "mallory", "much", "stderr "+strings.Repeat("x", 100_000)+"\nreturn 2")
	deploy(t, s, "mallory", "stdout", "stdout "+strings.Repeat("x", 60_000)+"\nreturn 3")
	for name, want := range map[string]string{"json": "1", "much": "2", "stdout": "3"} {
		r, err := s.Invoke(t.Context(), "mallory", name, nil)
		wantValue(t, r, err, want)
	}
}

func TestGrandchildDoesNotHoldUsBack(t *testing.T) {
	s := open(t, nil)
	file := filepath.Join(t.TempDir(), "pid")
	deploy(t, s, "mallory", "fork", "grandchild "+file+"\ndie")
	_, err := s.Invoke(t.Context(), "mallory", "fork", nil)
	wantOutcome(t, err, outcome.Crashed)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestFrozenSandbox(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "mallory", "freeze", "freeze\nhang", timeout(50*time.Millisecond))
	_, err := s.Invoke(t.Context(), "mallory", "freeze", nil)
	wantOutcome(t, err, outcome.Deadline)
	if s.Stats().Ended["deadline"] != 1 {
		t.Errorf("stats %+v", s.Stats())
	}
}

func TestLoadOfCompromisedSandbox(t *testing.T) {
	s := open(t, func(o *supervisor.Options) { o.LoadTimeout = 50 * time.Millisecond })
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "mallory"}); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"load-hang":            "ran past 50ms",
		"load-freeze":          "ran past 50ms",
		"load-exit":            "brings its sandbox process down",
		"load-error":           "brings its sandbox process down",
		"load-outcome 6":       "brings its sandbox process down",
		"load-outcome 1":       "brings its sandbox process down", // loaded, without a shape
		"load-problem forsook": "forsook",
	} {
		_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "mallory", Function: "f", Code: source})
		e := wantOutcome(t, err, outcome.Invalid)
		if len(e.Problems) != 1 || e.Problems[0].Field != "code" || !strings.Contains(e.Problems[0].Reason, want) {
			t.Errorf("%s: problems %v, want %q", source, e.Problems, want)
		}
		if _, err := s.Function("mallory", "f"); outcome.Of(err) != outcome.NotFound {
			t.Errorf("%s: a refused deploy left a function", source)
		}
	}
}

func TestSiblingIsRetriedUnseen(t *testing.T) {
	dir := t.TempDir()
	called := make(chan struct{}, 1)
	stay := platform.API{Name: "stay", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		called <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s := open(t, apis(stay))
	// innocent hangs until the process is killed; in its second life it answers.
	innocent := filepath.Join(dir, "innocent")
	deploy(t, s, "acme", "innocent", "hang-first "+innocent+"\nreturn 1", timeout(30*time.Second))
	deploy(t, s, "acme", "effect", "call stay []\nreturn 2", timeout(30*time.Second))
	deploy(t, s, "acme", "guilty", "await-file "+innocent+"\nhang", timeout(500*time.Millisecond))

	type answer struct {
		r   supervisor.Result
		err error
	}
	invoke := func(function string) chan answer {
		c := make(chan answer, 1)
		go func() {
			r, err := s.Invoke(context.Background(), "acme", function, nil)
			c <- answer{r, err}
		}()
		return c
	}
	effect := invoke("effect")
	<-called
	retried := invoke("innocent")
	eventually(t, "innocent runs", func() bool { _, err := os.Stat(innocent); return err == nil })
	guilty := invoke("guilty")

	wantOutcome(t, (<-guilty).err, outcome.Deadline)
	e := wantOutcome(t, (<-effect).err, outcome.Crashed)
	if !strings.Contains(e.Error(), "another invocation") {
		t.Errorf("effect: %v", e)
	}
	a := <-retried
	wantValue(t, a.r, a.err, "1")
	if s.Stats().Retried != 1 {
		t.Errorf("stats %+v", s.Stats())
	}
}
