package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// These tests run JavaScript in the real sandbox binary.

func openReal(t testing.TB, change func(*supervisor.Options)) *supervisor.Supervisor {
	t.Helper()
	path, err := realBinary()
	if err != nil {
		t.Fatal(err)
	}
	return open(t, func(o *supervisor.Options) {
		o.SandboxBinary = path
		o.CacheDir = "" // shared between tests: compiling takes its time
		o.LoadTimeout = 10 * time.Second
		if change != nil {
			change(o)
		}
	})
}

func TestRealOutcomes(t *testing.T) {
	slow := platform.API{Name: "slow", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s := openReal(t, apis(upper(), slow))
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "strict", Policy: "compute"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, tenant, code, want string
		outcome                  outcome.Outcome
	}{
		{"value", "acme", `(e) => ({got: e.n + 1})`, `{"got":42}`, outcome.OK},
		{"undefined", "acme", `() => {}`, `null`, outcome.OK},
		{"module", "acme", `export default async (e) => await upper("abc")`, `"ABC"`, outcome.OK},
		{"both", "acme", `async () => (await Promise.all([upper("a"), upper("b")])).join("")`, `"AB"`, outcome.OK},
		{"throw", "acme", `() => { throw new TypeError("no") }`, "TypeError: no", outcome.Exception},
		{"loop", "acme", `() => { for (;;); }`, "timeout of 300ms", outcome.Deadline},
		{"slow-call", "acme", `async () => await slow()`, "timeout of 300ms", outcome.Deadline},
		{"native-loop", "acme", `() => { const a = []; a.length = 2**32-1; return a.indexOf(1) }`, "timeout of 300ms", outcome.Deadline},
		{"memory", "acme", `() => { const a = []; for (;;) a.push(new Array(1000).fill(1.5)) }`, "5MiB", outcome.Memory},
		{"output", "acme", `() => "a".repeat(2 ** 20 + 1)`, "1048576 bytes", outcome.Output},
		{"denied", "strict", `async () => await upper("a")`, `upper is denied by policy "compute"`, outcome.Policy},
		{"denied-caught", "strict", `async () => { try { await upper("a") } catch (e) { return [e.name, e.api, e.policy] } }`, `["PermissionError","upper","compute"]`, outcome.OK},
		{"forged", "strict", `() => { const e = new Error("mine"); e.name = "PermissionError"; throw e }`, "PermissionError: mine", outcome.Exception},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.tenant == "acme" {
				deploy(t, s, "acme", tt.name, tt.code, func(f *supervisor.FunctionSpec) {
					if strings.Contains(tt.want, "300ms") {
						f.Timeout = 300 * time.Millisecond
					} else {
						f.Timeout = 20 * time.Second
					}
				})
			} else if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: tt.tenant, Function: tt.name, Code: tt.code}); err != nil {
				t.Fatal(err)
			}
			r, err := s.Invoke(t.Context(), tt.tenant, tt.name, []byte(`{"n":41}`))
			if tt.outcome == outcome.OK {
				wantValue(t, r, err, tt.want)
				return
			}
			e := wantOutcome(t, err, tt.outcome)
			if !strings.Contains(e.Error(), tt.want) && (e.Exception == nil || !strings.Contains(e.Exception.String(), tt.want)) {
				t.Errorf("error %v, exception %v; want %q in it", e, e.Exception, tt.want)
			}
		})
	}
	if n := s.Stats(); n.Ended["violation"] != 0 || n.Ended["crash"] != 0 || n.Ended["deadline"] > 1 {
		t.Errorf("stats %+v", n)
	}
}

func TestRealDeployProblems(t *testing.T) {
	s := openReal(t, nil)
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "(e) => {\n  return e +;\n}"})
	e := wantOutcome(t, err, outcome.Invalid)
	if len(e.Problems) != 1 || e.Problems[0].Line != 2 || e.Problems[0].Field != "code" {
		t.Errorf("problems %v", e.Problems)
	}
}

func TestRealRun(t *testing.T) {
	s := openReal(t, nil)
	r, err := s.Run(t.Context(), supervisor.FunctionSpec{Code: `console.log("top"); (e) => { console.warn("in"); return e }`}, nil, []byte(`[1]`))
	if err != nil {
		// A script with a statement before its value may be refused by the
		// engine as a shape; then say it as a module.
		t.Fatal(err)
	}
	wantValue(t, r, err, `[1]`)
	var lines []string
	for _, l := range r.Logs {
		lines = append(lines, l.Level.String()+" "+l.Message)
	}
	if got := strings.Join(lines, ", "); got != "INFO top, WARN in" {
		t.Errorf("logs %q", got)
	}
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: `(`}, nil, nil)
	wantOutcome(t, err, outcome.Invalid)
	eventually(t, "the processes are gone", func() bool { return s.Stats().Ended["spent"] == 2 })
}

func TestRealKill(t *testing.T) {
	entered := make(chan struct{}, 1)
	wait := platform.API{Name: "wait", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s := openReal(t, apis(wait))
	deploy(t, s, "acme", "waiter", `async () => await wait()`, timeout(20*time.Second))
	deploy(t, s, "acme", "hello", `() => 1`, timeout(20*time.Second))
	r, err := s.Invoke(t.Context(), "acme", "hello", nil)
	wantValue(t, r, err, "1")

	done := make(chan error, 1)
	go func() { _, err := s.Invoke(context.Background(), "acme", "waiter", nil); done <- err }()
	<-entered
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, <-done, outcome.Crashed)
	next, err := s.Invoke(t.Context(), "acme", "hello", nil)
	wantValue(t, next, err, "1")
	if next.PID == r.PID || !next.Cold {
		t.Errorf("after the kill: %+v", next)
	}
}

func TestRealStop(t *testing.T) {
	s := openReal(t, nil)
	deploy(t, s, "acme", "hello", `() => 1`, timeout(100*time.Millisecond))
	var r supervisor.Result
	eventually(t, "a warm process", func() (ok bool) {
		var err error
		r, err = s.Invoke(t.Context(), "acme", "hello", nil)
		return err == nil
	})
	childtest.Stop(t, r.PID)
	_, err := s.Invoke(t.Context(), "acme", "hello", nil)
	wantOutcome(t, err, outcome.Deadline)
	eventually(t, "it works again", func() bool {
		next, err := s.Invoke(t.Context(), "acme", "hello", nil)
		return err == nil && next.PID != r.PID
	})
	if s.Stats().Ended["deadline"] < 1 {
		t.Errorf("stats %+v", s.Stats())
	}
}

func TestRealManyTenants(t *testing.T) {
	const tenants = 50
	s := openReal(t, func(o *supervisor.Options) { o.StartTimeout = time.Minute })
	for i := range tenants {
		deploy(t, s, fmt.Sprintf("tenant-%d", i), "who", fmt.Sprintf(`let n = 0; (e) => [%d, ++n, e]`, i), timeout(30*time.Second))
	}
	pids := make([]int, tenants)
	var wg sync.WaitGroup
	for i := range tenants {
		for round := range 2 {
			wg.Go(func() {
				r, err := s.Invoke(context.Background(), fmt.Sprintf("tenant-%d", i), "who", fmt.Append(nil, round))
				if want := fmt.Sprintf("[%d,1,%d]", i, round); err != nil || string(r.Value) != want {
					t.Errorf("tenant %d: got %s, %v; want %s", i, r.Value, err, want)
				}
				if round == 0 {
					pids[i] = r.PID
				}
			})
		}
	}
	wg.Wait()
	seen := make(map[int]int)
	for i, pid := range pids {
		if other, twice := seen[pid]; twice {
			t.Errorf("tenants %d and %d share process %d", i, other, pid)
		}
		seen[pid] = i
	}
}
