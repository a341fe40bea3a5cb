// Package dbtest holds the tests that every engine of package db has to pass,
// and what they and the engines' own tests call the APIs with. It is for tests
// only.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// Fixture calls the APIs of a DB as the supervisor would, for one invocation
// of one tenant. Its zero fields are set by Open.
type Fixture struct {
	DB         *db.DB
	Tenant     string
	Invocation string
	// Deny is asked for each check; nil allows all.
	Deny func(policies.Attributes) bool
	// Checks are the checks made, while the Fixture is one goroutine's.
	Checks []policies.Attributes
	mu     sync.Mutex
}

// Open returns a Fixture of tenant "a", and closes d when the test ends.
func Open(t testing.TB, d *db.DB) *Fixture {
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Fixture{DB: d, Tenant: "a", Invocation: "i"}
}

// In returns a Fixture of another invocation on the same DB.
func (f *Fixture) In(tenant, invocation string) *Fixture {
	return &Fixture{DB: f.DB, Tenant: tenant, Invocation: invocation}
}

// API returns an API by its name.
func (f *Fixture) API(name string) platform.API {
	apis := f.DB.APIs()
	i := slices.IndexFunc(apis, func(a platform.API) bool { return a.Name == name })
	if i < 0 {
		panic("no API " + name)
	}
	return apis[i]
}

// Call makes a call with these arguments.
func (f *Fixture) Call(t testing.TB, args ...any) *platform.Call {
	t.Helper()
	wire, err := value.Encode(args)
	if err != nil {
		t.Fatal(err)
	}
	return &platform.Call{Tenant: f.Tenant, Invocation: f.Invocation, Wire: wire, Check: f.check, Life: t.Context()}
}

func (f *Fixture) check(a policies.Attributes) (policies.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Checks = append(f.Checks, a)
	if f.Deny != nil && f.Deny(a) {
		return policies.Verdict{}, platform.Errorf("PermissionError", "%s %v is denied", a.Statement, a.Tables)
	}
	return policies.Verdict{Allowed: true}, nil
}

// Do calls an API and returns its result as it reaches JavaScript, printed.
func (f *Fixture) Do(ctx context.Context, t testing.TB, api string, args ...any) (string, error) {
	t.Helper()
	v, err := f.API(api).Func(ctx, f.Call(t, args...))
	if err != nil {
		return "", err
	}
	if _, err := value.Encode(v); err != nil {
		t.Fatalf("the result of %s cannot be sent: %v", api, err)
	}
	return Show(v), nil
}

// Must is Do for what must succeed.
func (f *Fixture) Must(t testing.TB, api string, args ...any) string {
	t.Helper()
	got, err := f.Do(t.Context(), t, api, args...)
	if err != nil {
		t.Fatalf("%s(%.200s): %v", api, fmt.Sprint(args...), err)
	}
	return got
}

// Begin opens a transaction and returns its number.
func (f *Fixture) Begin(ctx context.Context, t testing.TB) any {
	t.Helper()
	call := f.Call(t, "begin")
	call.Life = ctx
	// The call's own context ends before.
	ended, cancel := context.WithCancel(ctx)
	defer cancel()
	n, err := f.API("db.transaction").Func(ended, call)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Show prints a value so that its type is seen.
func Show(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = Show(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *value.Object:
		var parts []string
		for k, e := range v.All() {
			parts = append(parts, k+":"+Show(e))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", v)
	case []byte:
		return fmt.Sprintf("x'%x'", v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10)
		}
	case fmt.Stringer: // a BigInt
		return v.String() + "n"
	}
	return fmt.Sprint(v)
}

// WantError checks an error's name, code and message.
func WantError(t testing.TB, err error, name, code, part string) {
	t.Helper()
	var e *platform.Error
	if !errors.As(err, &e) || e.Name != name || !strings.Contains(e.Message, part) {
		t.Errorf("got %v, want %s with %q", err, name, part)
		return
	}
	if got, _ := e.Properties["code"].(string); got != code {
		t.Errorf("%v: code %q, want %q", err, got, code)
	}
}
