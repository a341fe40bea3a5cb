package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// keyed is an API whose calls have a key: call it as `keyed ["KEY"]`.
func keyed(name string) platform.API {
	return platform.API{
		Name: name,
		Attributes: func(args []json.RawMessage) (a policies.Attributes, err error) {
			err = json.Unmarshal(args[0], &a.Key)
			return a, err
		},
		Func: func(context.Context, *platform.Call) (any, error) { return "done", nil },
	}
}

// say invokes f, which has been deployed by deploy, and returns what it
// answered.
func say(t *testing.T, s *supervisor.Supervisor, tenant string) string {
	t.Helper()
	r, err := s.Invoke(t.Context(), tenant, "f", nil)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(r.Value, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// entries returns the audit log of a supervisor that has been closed.
func entries(t *testing.T, data string) (all []audit.Entry) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "audit", "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func TestPoliciesNarrowFromTierToFunction(t *testing.T) {
	rule := func(keys string) string {
		return "rules:\n  - api: kv.get\n    action: allow\n    when:\n      key: [" + keys + "]"
	}
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{keyed("kv.get")}
		o.Policies = append(o.Policies,
			policy(t, "outer", rule("a, b, c")), policy(t, "middle", rule("b, c, d")), policy(t, "inner", rule("c, d, e")))
		o.Tiers = map[string]supervisor.Tier{"capped": {Policy: "outer"}}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "middle", Tier: "capped"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ policy, key, want string }{
		{"", "a", "PermissionError"}, {"", "b", `"done"`}, {"", "c", `"done"`}, {"", "d", "PermissionError"},
		{"inner", "b", "PermissionError"}, {"inner", "c", `"done"`}, {"inner", "d", "PermissionError"}, {"inner", "e", "PermissionError"},
	} {
		_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Policy: tt.policy,
			Code: fmt.Sprintf("call kv.get [%q]\nanswer", tt.key)})
		if err != nil {
			t.Fatal(err)
		}
		if got := say(t, s, "acme"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("function's policy %q, key %s: %s, want %s", tt.policy, tt.key, got, tt.want)
		}
	}
	_, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Policy: "nowhere", Code: "return 1"})
	if outcome.Of(err) != outcome.Invalid || !strings.Contains(fmt.Sprint(problemsOf(err)), "nowhere") {
		t.Errorf("a policy that does not exist: %v", err)
	}
}

func problemsOf(err error) []outcome.Problem {
	if e, ok := err.(*outcome.Error); ok {
		return e.Problems
	}
	return nil
}

func TestTierWithUnknownPolicy(t *testing.T) {
	_, err := supervisor.New(t.Context(), supervisor.Options{
		SandboxBinary: fakeBinary(t), Layers: fakeLayers, Tiers: map[string]supervisor.Tier{"capped": {Policy: "nowhere"}},
	})
	if outcome.Of(err) != outcome.Invalid || len(problemsOf(err)) != 1 || problemsOf(err)[0].Field != "tiers.capped.policy" {
		t.Errorf("%v %+v", err, problemsOf(err))
	}
}

func TestSetPolicies(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{keyed("kv.get")}
		o.Policies = []*policies.Policy{policy(t, "mine", "default: deny")}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "mine"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "call kv.get [\"a\"]\nanswer"}); err != nil {
		t.Fatal(err)
	}
	if got := say(t, s, "acme"); !strings.HasPrefix(got, "PermissionError") {
		t.Errorf("before: %s", got)
	}
	if err := s.SetPolicies(t.Context(), []*policies.Policy{policy(t, "mine", "default: allow")}); err != nil {
		t.Fatal(err)
	}
	if got := say(t, s, "acme"); got != `"done"` {
		t.Errorf("after: %s", got)
	}
	err := s.SetPolicies(t.Context(), []*policies.Policy{policy(t, "other", "default: deny")})
	if outcome.Of(err) != outcome.Invalid || len(problemsOf(err)) != 1 || !strings.Contains(problemsOf(err)[0].Reason, "acme") {
		t.Errorf("a set without a policy that is in use: %v %+v", err, problemsOf(err))
	}
	if got := say(t, s, "acme"); got != `"done"` {
		t.Errorf("after a refused set: %s", got)
	}
}

// What a kill rule forbids, and what is denied too often, ends the invocation:
// also one that catches every exception.
func TestInvocationsEndForWhatTheyTry(t *testing.T) {
	data := t.TempDir()
	s := open(t, func(o *supervisor.Options) {
		o.DataDir = data
		o.APIs = []platform.API{keyed("kv.get")}
		o.Policies = append(o.Policies, policy(t, "strict", "rules:\n  - api: kv.get\n    action: kill\n    when:\n      key: [secret]\n  - api: kv.get\n    action: audit\n    when:\n      key: [watched]"))
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "strict"}); err != nil {
		t.Fatal(err)
	}
	ends := func(code, want string) {
		t.Helper()
		if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: code}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Invoke(t.Context(), "acme", "f", nil)
		if outcome.Of(err) != outcome.Policy || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q ended with %v, want %s", code, err, want)
		}
	}
	ends("call-only kv.get [\"secret\"]\nuntil-cancel", "rules[0]")
	ends(strings.Repeat("call-only kv.get [\"x\"]\n", 100)+"until-cancel", "100 of its host calls were denied")
	if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: strings.Repeat("call kv.get [\"x\"]\n", 99) + "call kv.get [\"watched\"]\nanswer"}); err != nil {
		t.Fatal(err)
	}
	if got := say(t, s, "acme"); got != `"done"` {
		t.Errorf("99 denials: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range entries(t, data) {
		count[e.Action]++
		if e.Tenant != "acme" || e.Function != "f" || e.Invocation == "" || e.API != "kv.get" || e.Policy != "strict" || e.Rule == "" || e.Attributes.Key == "" {
			t.Fatalf("entry %+v", e)
		}
		if e.Action == "audit" && (string(e.Args) != `["watched"]` || e.Duration <= 0 || e.Sent == 0 || e.Received == 0) {
			t.Errorf("audited %+v", e)
		}
		if e.Action == "kill" && (e.Attributes.Key != "secret" || e.Place == "") {
			t.Errorf("killed %+v", e)
		}
	}
	if count["kill"] != 1 || count["deny"] != 199 || count["audit"] != 1 {
		t.Errorf("recorded %v", count)
	}
}

func TestQuotas(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{keyed("per.invocation"), keyed("per.second"), keyed("per.minute")}
		o.Policies = append(o.Policies, policy(t, "metered", `rules:
  - api: per.invocation
    action: allow
    quota: {calls_per_invocation: 2}
  - api: per.second
    action: allow
    quota: {calls_per_second: 0.001, burst: 3}
  - api: per.minute
    action: allow
    quota: {bytes_per_minute: 40}`))
	})
	for _, tenant := range []string{"acme", "beta"} { // each has its own
		if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: tenant, Policy: "metered"}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			api     string
			calls   int
			allowed []int // in each of two invocations
			want    string
		}{
			{"per.invocation", 3, []int{2, 2}, "2 calls in an invocation"},
			{"per.second", 2, []int{2, 1}, "resets"},
			{"per.minute", 3, []int{3, 0}, "bytes_per_minute"},
		} {
			for round, allowed := range tt.allowed {
				code := strings.Repeat(fmt.Sprintf("call %s [\"k\"]\n", tt.api), tt.calls) + "answer"
				if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: tenant, Function: "f", Code: code}); err != nil {
					t.Fatal(err)
				}
				got := say(t, s, tenant)
				if over := allowed < tt.calls; over != strings.HasPrefix(got, "QuotaExceededError") || over && !strings.Contains(got, tt.want) {
					t.Errorf("%s, invocation %d of %s: %s", tt.api, round, tenant, got)
				}
			}
		}
	}
}

// An API that asks the policy itself is refused beforehand where the answer
// could only be no, and its result is not delivered when it did not ask.
func TestAPIsThatCheckThemselves(t *testing.T) {
	ran := 0
	api := func(name string, f func(*platform.Call) (any, error)) platform.API {
		return platform.API{Name: name, ChecksItself: true, Func: func(_ context.Context, c *platform.Call) (any, error) {
			ran++
			return f(c)
		}}
	}
	s := open(t, func(o *supervisor.Options) {
		o.APIs = []platform.API{
			api("asks", func(c *platform.Call) (any, error) {
				_, err := c.Check(policies.Attributes{Statement: "select", Tables: []string{"orders"}})
				return "done", err
			}),
			api("forgets", func(*platform.Call) (any, error) { return "done", nil }),
			api("never", func(*platform.Call) (any, error) { return "done", nil }),
		}
		o.Policies = append(o.Policies, policy(t, "tables", `rules:
  - api: [asks, forgets]
    action: allow
    when: {statement: [select], table: [orders]}`))
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "tables"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		api, want string
		runs      int
	}{{"asks", `"done"`, 1}, {"forgets", "Error: forgets failed: internal error", 1}, {"never", "PermissionError", 0}} {
		ran = 0
		if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "call " + tt.api + " []\nanswer"}); err != nil {
			t.Fatal(err)
		}
		if got := say(t, s, "acme"); !strings.HasPrefix(got, tt.want) || ran != tt.runs {
			t.Errorf("%s: %s, ran %d times; want %s, %d", tt.api, got, ran, tt.want, tt.runs)
		}
	}
}

// An API that the policy denies outright throws without a round trip, and is
// counted and recorded all the same.
func TestOutrightDenials(t *testing.T) {
	data := t.TempDir()
	ran := atomic.Int32{}
	count := func(name string, sync bool) platform.API {
		return platform.API{Name: name, Sync: sync, Func: func(context.Context, *platform.Call) (any, error) {
			ran.Add(1)
			return "done", nil
		}}
	}
	s := openReal(t, func(o *supervisor.Options) {
		o.DataDir = data
		// More than eight, so that the mask has a second byte.
		for _, n := range "abcdefgh" {
			o.APIs = append(o.APIs, count("api."+string(n), false))
		}
		o.APIs = append(o.APIs, count("denied", false), count("deniedNow", true), keyed("kv.get"))
		o.Policies = append(o.Policies, policy(t, "few", "rules:\n  - api: api.h\n    action: allow\n  - api: kv.get\n    action: allow\n    when: {key: [good]}"))
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "few"}); err != nil {
		t.Fatal(err)
	}
	run := func(code string) (supervisor.Result, error) {
		t.Helper()
		if _, err := s.Deploy(t.Context(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: code}); err != nil {
			t.Fatal(err)
		}
		return s.Invoke(t.Context(), "acme", "f", nil)
	}
	r, err := run(`async () => {
	  const names = [];
	  try { await denied(1) } catch (e) { names.push(e.name, e.api, e.policy, e instanceof Error) }
	  try { deniedNow(2) } catch (e) { names.push(e.name) }
	  try { await kv.get("bad") } catch (e) { names.push(e.name) }
	  names.push(await api.h(), await kv.get("good"), await denied().catch((e) => e.message));
	  return names;
	}`)
	wantValue(t, r, err, `["PermissionError","denied","few",true,"PermissionError","PermissionError","done","done","denied is denied by policy \"few\""]`)
	if n := ran.Load(); n != 1 {
		t.Errorf("%d calls ran, want that of api.h", n)
	}
	_, err = run(`async () => { for (;;) await denied().catch(() => {}) }`)
	if e := wantOutcome(t, err, outcome.Policy); !strings.Contains(e.Detail, "100 of its host calls were denied") {
		t.Errorf("a function that goes on asking: %v", err)
	}
	_, err = run(`async () => { await denied() }`)
	wantOutcome(t, err, outcome.Policy)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	recorded := map[string]int{}
	for _, e := range entries(t, data) {
		recorded[e.Action+" "+e.API]++
	}
	if recorded["deny deniedNow"] != 1 || recorded["deny kv.get"] != 1 || recorded["allow kv.get"] != 1 || recorded["allow api.h"] != 1 || recorded["deny denied"] < 103 {
		t.Errorf("recorded %v", recorded)
	}
}
