package supervisor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// seen is what one who looks on is told.
type seen struct {
	mu   sync.Mutex
	told []string
}

func (s *seen) add(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprintf(format, a...))
}

func (s *seen) watch() supervisor.Watch {
	return supervisor.Watch{
		Log: func(l supervisor.Log) { s.add("log %s", l.Message) },
		Verdict: func(text []byte) {
			var e struct{ API, Action string }
			if err := json.Unmarshal(text, &e); err != nil {
				s.add("verdict: %v", err)
			}
			s.add("%s %s", e.Action, e.API)
		},
		Ended: func(e supervisor.Ended) { s.add("%s: %d calls, %d denied", outcome.Of(e.Err), e.Calls, e.Denied) },
	}
}

// Who looks on all invocations is told of each what who looks on one is told.
func TestWatch(t *testing.T) {
	var mu sync.Mutex
	all := map[string]*seen{}
	s := openReal(t, func(o *supervisor.Options) {
		apis(upper())(o)
		o.Watch = func(tenant, function, invocation string) supervisor.Watch {
			mu.Lock()
			defer mu.Unlock()
			one := &seen{}
			all[tenant+"/"+function+" "+invocation] = one
			return one.watch()
		}
	})
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "strict", Policy: "compute"}); err != nil {
		t.Fatal(err)
	}
	code := `async () => { console.log("begun"); await upper("a"); throw new TypeError("no") }`
	deploy(t, s, "acme", "f", code)
	for _, tt := range []struct {
		name string
		run  func(supervisor.Watch) (supervisor.Result, error)
		one  bool // there is one who looks on this one alone
		of   string
		want []string
	}{
		{"invoke", func(supervisor.Watch) (supervisor.Result, error) { return s.Invoke(t.Context(), "acme", "f", nil) }, false, "acme/f",
			[]string{"log begun", "allow upper", "exception: 1 calls, 0 denied"}},
		{"try", func(w supervisor.Watch) (supervisor.Result, error) {
			return s.Try(t.Context(), supervisor.FunctionSpec{Tenant: "strict", Code: code}, value.Wire("null"), w)
		}, true, "strict/run", []string{"log begun", "deny upper", "policy: 1 calls, 1 denied"}},
		{"try-nothing", func(supervisor.Watch) (supervisor.Result, error) {
			return s.Try(t.Context(), supervisor.FunctionSpec{Tenant: "strict", Code: "() => 1"}, nil, supervisor.Watch{})
		}, false, "strict/run", []string{"ok: 0 calls, 0 denied"}},
		{"none", func(supervisor.Watch) (supervisor.Result, error) {
			return s.Invoke(t.Context(), "acme", "none", nil)
		}, false, "acme/none", []string{"not_found: 0 calls, 0 denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := &seen{}
			r, err := tt.run(one.watch())
			mu.Lock()
			every := all[tt.of+" "+r.Invocation]
			mu.Unlock()
			if every == nil {
				t.Fatalf("nobody looked on %q: %v", r.Invocation, err)
			}
			if !slices.Equal(every.told, tt.want) {
				t.Errorf("told %q", every.told)
			}
			if tt.one && !slices.Equal(one.told, tt.want) {
				t.Errorf("who looks on this one is told %q", one.told)
			}
		})
	}
}
