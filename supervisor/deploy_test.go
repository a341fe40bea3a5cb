package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func TestDeploy(t *testing.T) {
	s := open(t, nil)
	f := deploy(t, s, "acme", "f", "runs")
	if f.Memory != supervisor.DefaultMemory || f.Timeout != supervisor.DefaultTimeout || f.Concurrency != supervisor.DefaultConcurrency ||
		f.Isolation != supervisor.Fresh || f.Shape != "expression" || f.Size != 4 || len(f.Version) != 64 || f.Deployed.IsZero() {
		t.Errorf("function %+v", f)
	}
	invoke := func(want string) supervisor.Result {
		t.Helper()
		r, err := s.Invoke(t.Context(), "acme", "f", nil)
		wantValue(t, r, err, want)
		return r
	}
	first := invoke("1")
	if again := deploy(t, s, "acme", "f", "runs"); again != f {
		t.Errorf("the same deploy gave %+v, want %+v", again, f)
	}
	invoke("2") // still loaded
	g := deploy(t, s, "acme", "f", "runs", timeout(time.Second))
	if g.Version == f.Version {
		t.Error("other settings gave the same version")
	}
	if r := invoke("1"); r.Version != g.Version || r.PID != first.PID || r.Cold {
		t.Errorf("after the deploy: %+v", r)
	}
	text, err := json.Marshal(g)
	if err != nil || !strings.Contains(string(text), `"timeout":"1s"`) || !strings.Contains(string(text), `"memory":5242880`) {
		t.Errorf("JSON %s, %v", text, err)
	}
	var back supervisor.Function
	if err := json.Unmarshal(text, &back); err != nil || back != g {
		t.Errorf("came back as %+v, %v", back, err)
	}
	all, err := s.Functions("acme")
	if err != nil || len(all) != 1 || all[0] != g {
		t.Errorf("functions %v, %v", all, err)
	}
	if err := s.DeleteFunction(t.Context(), "acme", "f"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Invoke(t.Context(), "acme", "f", nil)
	wantOutcome(t, err, outcome.NotFound)
	wantOutcome(t, s.DeleteFunction(t.Context(), "acme", "f"), outcome.NotFound)
}

func TestDeployProblems(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.Forbidden = []supervisor.Pattern{{Name: "eval", Regexp: regexp.MustCompile(`\beval\b`), Reason: "no eval"}}
		o.Tiers = map[string]supervisor.Tier{"small": {MaxMemory: 2 << 20, MaxTimeout: time.Second, MaxConcurrency: 2, MaxFunctions: 1, MaxCode: 100}}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Tier: "small"}); err != nil {
		t.Fatal(err)
	}
	fits := supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "return 1", Memory: 1 << 20, Timeout: time.Second, Concurrency: 2}
	for _, tt := range []struct {
		name   string
		change func(*supervisor.FunctionSpec)
		want   []string // beginnings, in order
	}{
		{"name", func(f *supervisor.FunctionSpec) { f.Function = "Not/A-Name" }, []string{"name: "}},
		{"empty", func(f *supervisor.FunctionSpec) { f.Code = " \n" }, []string{"code: it is empty"}},
		{"long", func(f *supervisor.FunctionSpec) { f.Code = strings.Repeat("x", 101) }, []string{"code: it has 101 bytes"}},
		{"wasm", func(f *supervisor.FunctionSpec) { f.Code = "\x00asm\x01\x00\x00\x00" }, []string{"code: it is a WebAssembly"}},
		{"bytecode", func(f *supervisor.FunctionSpec) { f.Code = "\x05\x02abc" }, []string{"code: it is not text"}},
		{"zip", func(f *supervisor.FunctionSpec) { f.Code = "PK\x03\x04\x14\x00\x08\x00" }, []string{"code:1:6: it holds a NUL"}},
		{"gzip", func(f *supervisor.FunctionSpec) { f.Code = "\x1f\x8b\x08\x00abc" }, []string{"code: it is not text"}},
		{"nul", func(f *supervisor.FunctionSpec) { f.Code = "a\nbé\x00" }, []string{"code:2:3: it holds a NUL"}},
		{"utf-8", func(f *supervisor.FunctionSpec) { f.Code = "é\n\xff" }, []string{"code:2:1: it is not UTF-8"}},
		{"forbidden", func(f *supervisor.FunctionSpec) { f.Code = "é eval\n eval" }, []string{"code:1:3: it is forbidden here (eval): no eval", "code:2:2: "}},
		{"low", func(f *supervisor.FunctionSpec) { f.Memory, f.Timeout, f.Concurrency, f.Isolation = 1, 1, -1, "cold" },
			[]string{"memory: it is 1 bytes", "timeout: it is 1ns", "concurrency: it is -1", "isolation: "}},
		{"high", func(f *supervisor.FunctionSpec) { f.Memory, f.Timeout, f.Concurrency = 3<<20, time.Minute, 3 },
			[]string{"memory: it is 3MiB; the tier's most is 2MiB", "timeout: it is 1m0s; the tier's most is 1s", "concurrency: it is 3; the tier's most is 2"}},
		{"all", func(f *supervisor.FunctionSpec) { f.Function, f.Memory, f.Code = "-", 3<<20, "load-problem eval" },
			[]string{"name: ", "memory: ", "code:1:14: ", "code:3:7: eval"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fits
			tt.change(&f)
			_, err := s.Deploy(t.Context(), f)
			e := wantOutcome(t, err, outcome.Invalid)
			ok := len(e.Problems) == len(tt.want)
			for i := range min(len(e.Problems), len(tt.want)) {
				ok = ok && strings.HasPrefix(e.Problems[i].String(), tt.want[i])
			}
			if !ok {
				t.Errorf("problems %q, want %q", e.Problems, tt.want)
			}
			if all, _ := s.Functions("acme"); len(all) != 0 {
				t.Errorf("a refused deploy left %v", all)
			}
		})
	}
	if _, err := s.Deploy(t.Context(), fits); err != nil {
		t.Fatal(err)
	}
	second := fits
	second.Function = "g"
	_, err := s.Deploy(t.Context(), second)
	if e := wantOutcome(t, err, outcome.Invalid); !strings.Contains(e.Error(), "the tier's most is 1") {
		t.Error(e)
	}
	nobody := fits
	nobody.Tenant = "nobody"
	_, err = s.Deploy(t.Context(), nobody)
	wantOutcome(t, err, outcome.NotFound)
}

func TestPutTenantProblems(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.Tiers = map[string]supervisor.Tier{"small": {MaxMemory: 1 << 20}}
	})
	_, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "A", Policy: "none-such", Tier: "none-such"})
	if e := wantOutcome(t, err, outcome.Invalid); len(e.Problems) != 3 {
		t.Errorf("problems %v", e.Problems)
	}
	deploy(t, s, "acme", "f", "return 1")
	_, err = s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Tier: "small"})
	if e := wantOutcome(t, err, outcome.Invalid); len(e.Problems) != 1 || !strings.Contains(e.Error(), "function f has memory 5MiB") {
		t.Errorf("problems %v", e.Problems)
	}
	before, err := s.Tenant("acme")
	if err != nil || before.Tier != supervisor.DefaultTier {
		t.Errorf("tenant %+v, %v", before, err)
	}
	after, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme"})
	if err != nil || !after.Created.Equal(before.Created) || after.Policy != supervisor.DefaultPolicy {
		t.Errorf("tenant %+v, %v", after, err)
	}
	if all := s.Tenants(); len(all) != 1 || all[0].Name != "acme" {
		t.Errorf("tenants %v", all)
	}
}

// Deploys come and go under invocations: each invocation runs one whole
// version, and none is lost.
func TestDeployDuringInvoke(t *testing.T) {
	s := open(t, nil)
	versions := make(map[string]string)
	for i := range 2 {
		f := deploy(t, s, "acme", "f", fmt.Sprintf("return %d", i), timeout(30*time.Second))
		versions[f.Version] = fmt.Sprint(i)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := s.Invoke(context.Background(), "acme", "f", nil)
				if err != nil || string(r.Value) != versions[r.Version] {
					t.Errorf("got %s of version %s: %v", r.Value, r.Version, err)
					return
				}
			}
		})
	}
	for i := range 6 {
		deploy(t, s, "acme", "f", fmt.Sprintf("return %d", i%2), timeout(30*time.Second))
	}
	cancel()
	wg.Wait()
}

func TestRun(t *testing.T) {
	s := open(t, apis(upper()))
	r, err := s.Run(t.Context(), supervisor.FunctionSpec{Code: "pid"}, nil, nil)
	if err != nil || r.PID == 0 || string(r.Value) != fmt.Sprint(r.PID) {
		t.Fatalf("got %+v, %v", r, err)
	}
	eventually(t, "its process is gone", func() bool {
		_, err := os.Stat(filepath.Join("/proc", fmt.Sprint(r.PID)))
		return err != nil
	})
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "call upper [\"a\"]\nthrow PermissionError no"}, nil, nil)
	wantOutcome(t, err, outcome.Policy)
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "load-problem x", Memory: 1}, nil, nil)
	wantOutcome(t, err, outcome.Invalid)
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "load-problem x"}, nil, nil)
	wantOutcome(t, err, outcome.Invalid)
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "die"}, nil, nil)
	wantOutcome(t, err, outcome.Crashed)
	_, err = s.Run(t.Context(), supervisor.FunctionSpec{Code: "hang", Timeout: 20 * time.Millisecond}, nil, nil)
	wantOutcome(t, err, outcome.Deadline)
	if len(s.Tenants()) != 0 {
		t.Errorf("tenants %v", s.Tenants())
	}
}

// However many deploys of one name come at once, beside invocations of it: each
// invocation runs one version whole, one version is there in the end, and no
// process of a check is left.
func TestDeployFlood(t *testing.T) {
	const deploys = 40
	s := open(t, nil)
	deploy(t, s, "acme", "f", "return 1000")
	var all, calling sync.WaitGroup
	over := make(chan struct{})
	for range 3 {
		calling.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				r, err := s.Invoke(context.Background(), "acme", "f", nil)
				n, parse := strconv.Atoi(string(r.Value))
				if err != nil || parse != nil || n != 1000 && (n < 0 || n >= deploys) {
					t.Errorf("an invocation came to %s, %v", r.Value, err)
					return
				}
			}
		})
	}
	for n := range deploys {
		all.Go(func() {
			_, err := s.Deploy(context.Background(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: fmt.Sprintf("return %d", n)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(over)
	calling.Wait()
	f, err := s.Function("acme", "f")
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Invoke(t.Context(), "acme", "f", nil)
	if err != nil || first.Version != f.Version {
		t.Errorf("version %s runs, %v; %s is deployed", first.Version, err, f.Version)
	}
	if list, err := s.Functions("acme"); err != nil || len(list) != 1 {
		t.Errorf("functions %v, %v", list, err)
	}
	eventually(t, "the checks' processes are gone", func() bool { return len(children(t)) <= 2 })
}
