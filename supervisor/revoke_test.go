package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// A policy that changes while a function runs holds from its next host call
// on, however it is changed, and whatever the sandbox was told at the start.
func TestPolicyChangesMidRun(t *testing.T) {
	arrived, proceed := make(chan struct{}), make(chan struct{})
	gate := platform.API{Name: "gate", Func: func(ctx context.Context, _ *platform.Call) (any, error) {
		select {
		case arrived <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case <-proceed:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	const may = "rules:\n  - api: [gate, kv.get]\n    action: allow"
	const mayNot = "rules:\n  - api: gate\n    action: allow"
	const maySome = "rules:\n  - api: gate\n    action: allow\n  - api: kv.get\n    action: allow\n    when: {key: [other]}"
	const killing = "rules:\n  - api: gate\n    action: allow\n  - api: kv.get\n    action: kill"

	// change makes mine the policy by replacing the set, tenant by giving the
	// tenant another one.
	change := func(t *testing.T, s *supervisor.Supervisor, mine string) {
		if err := s.SetPolicies(t.Context(), []*policies.Policy{policy(t, "mine", mine), policy(t, "none-of-it", mayNot)}); err != nil {
			t.Fatal(err)
		}
	}
	tenant := func(t *testing.T, s *supervisor.Supervisor, _ string) {
		if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "none-of-it"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, real := range []bool{false, true} {
		for _, tt := range []struct {
			name, before, after string
			change              func(*testing.T, *supervisor.Supervisor, string)
			want                string // both answers; "" for an end by the policy
		}{
			{"replaced", may, mayNot, change, "done PermissionError"},
			{"narrowed", may, maySome, change, "done PermissionError"},
			{"another for the tenant", may, "", tenant, "done PermissionError"},
			{"killing", may, killing, change, ""},
			{"widened where arguments decide", maySome, may, change, "PermissionError done"},
			// What was denied outright is refused in the process until the
			// invocation ends: a hint that errs on the safe side.
			{"widened", mayNot, may, change, map[bool]string{false: "PermissionError done", true: "PermissionError PermissionError"}[real]},
		} {
			t.Run(fmt.Sprintf("%s/real=%v", tt.name, real), func(t *testing.T) {
				opener, code := open, "call kv.get [\"k\"]\nkeep\ncall gate []\ncall kv.get [\"k\"]\nkeep\nkept"
				if real {
					opener = openReal
					code = `async () => { const ask = async () => { try { return await kv.get("k") } catch (e) { return e.name } }; const first = await ask(); await gate(); return first + " " + await ask() }`
				}
				s := opener(t, func(o *supervisor.Options) {
					o.APIs = []platform.API{gate, keyed("kv.get")}
					o.Policies = []*policies.Policy{policy(t, "mine", tt.before), policy(t, "none-of-it", mayNot)}
				})
				if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "mine"}); err != nil {
					t.Fatal(err)
				}
				if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: code, Timeout: 30 * time.Second}); err != nil {
					t.Fatal(err)
				}
				type answer struct {
					r   supervisor.Result
					err error
				}
				done := make(chan answer, 1)
				go func() {
					r, err := s.Invoke(context.Background(), "acme", "f", nil)
					done <- answer{r, err}
				}()
				<-arrived
				tt.change(t, s, tt.after)
				proceed <- struct{}{}
				a := <-done
				if tt.want == "" {
					wantOutcome(t, a.err, outcome.Policy)
					return
				}
				var got string
				if a.err != nil || json.Unmarshal(a.r.Value, &got) != nil || got != tt.want {
					t.Errorf("answered %s, %v; want %s", a.r.Value, a.err, tt.want)
				}
				if n := s.Stats().Ended["violation"]; n != 0 {
					t.Errorf("%d violations", n)
				}
			})
		}
	}
}

// However many calls are made at once, and whatever is replaced meanwhile:
// what every policy of the time denies never runs, and is recorded; and no
// more runs than a quota has room for.
func TestVerdictsAtOnce(t *testing.T) {
	const invocations, calls, burst, perInvocation = 8, 40, 25, 7
	var secret, metered atomic.Int64
	each := sync.Map{} // invocation -> *atomic.Int64
	data := t.TempDir()
	count := func(name string, n func(*platform.Call)) platform.API {
		api := keyed(name)
		api.Func = func(_ context.Context, c *platform.Call) (any, error) {
			n(c)
			return "done", nil
		}
		return api
	}
	rules := func(allowed string) string {
		return "rules:\n  - api: kv.get\n    action: allow\n    when: {key: [" + allowed + "]}\n" +
			"  - api: metered\n    action: allow\n    quota: {calls_per_second: 0.001, burst: 25}\n" +
			"  - api: counted\n    action: allow\n    quota: {calls_per_invocation: 7}"
	}
	s := open(t, func(o *supervisor.Options) {
		o.DataDir = data
		o.APIs = []platform.API{
			count("kv.get", func(c *platform.Call) {
				if strings.Contains(string(c.Args[0]), "secret") {
					secret.Add(1)
				}
			}),
			count("metered", func(*platform.Call) { metered.Add(1) }),
			count("counted", func(c *platform.Call) {
				n, _ := each.LoadOrStore(c.Invocation, new(atomic.Int64))
				n.(*atomic.Int64).Add(1)
			}),
		}
		o.Policies = []*policies.Policy{policy(t, "mine", rules("a, b"))}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "mine"}); err != nil {
		t.Fatal(err)
	}
	code := fmt.Sprintf("calls %d kv.get [\"secret\"]\ncalls %[1]d metered [\"k\"]\ncalls %[1]d counted [\"k\"]\ncalls %[1]d kv.get [\"a\"]\nreturn 1", calls)
	_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: code, Timeout: 30 * time.Second, Concurrency: invocations})
	if err != nil {
		t.Fatal(err)
	}
	var all, changing sync.WaitGroup
	over := make(chan struct{})
	changing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			default:
			}
			if err := s.SetPolicies(context.Background(), []*policies.Policy{policy(t, "mine", rules([]string{"a, b", "a, c"}[n%2]))}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range invocations {
		all.Go(func() {
			if _, err := s.Invoke(context.Background(), "acme", "f", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(over)
	changing.Wait()
	if n := secret.Load(); n != 0 {
		t.Errorf("%d denied calls ran", n)
	}
	if n := metered.Load(); n != burst {
		t.Errorf("%d calls ran of a quota of %d", n, burst)
	}
	each.Range(func(_, n any) bool {
		if n := n.(*atomic.Int64).Load(); n != perInvocation {
			t.Errorf("%d calls ran in an invocation that may make %d", n, perInvocation)
		}
		return true
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var recorded []string
	for _, e := range entries(t, data) {
		if e.Lost != 0 {
			t.Errorf("%d entries were lost", e.Lost)
		}
		recorded = append(recorded, e.Action+" "+e.API)
	}
	for what, want := range map[string]int{
		"deny kv.get": invocations * calls, "allow kv.get": invocations * calls,
		"allow metered": burst, "quota metered": invocations*calls - burst,
		"allow counted": invocations * perInvocation, "quota counted": invocations * (calls - perInvocation),
	} {
		n := 0
		for _, r := range recorded {
			if r == what {
				n++
			}
		}
		if n != want {
			t.Errorf("%d entries of %q, want %d", n, what, want)
		}
	}
}
