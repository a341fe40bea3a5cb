package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func noLive(f *supervisor.FunctionSpec) { f.NoLive = true }

func alias(name string) func(*supervisor.FunctionSpec) {
	return func(f *supervisor.FunctionSpec) { f.Alias = name }
}

// runs invokes acme/f, or a version of it, and wants a value.
func runs(t *testing.T, s *supervisor.Supervisor, ref, want string) supervisor.Result {
	t.Helper()
	name := "f"
	if ref != "" {
		name += "@" + ref
	}
	r, err := s.Invoke(t.Context(), "acme", name, nil)
	wantValue(t, r, err, want)
	return r
}

func TestVersions(t *testing.T) {
	s := open(t, nil)
	one := deploy(t, s, "acme", "f", "return 1")
	two := deploy(t, s, "acme", "f", "return 2")
	three := deploy(t, s, "acme", "f", "return 3", noLive, alias("staging"))
	runs(t, s, "", "2")
	runs(t, s, "live", "2")
	runs(t, s, "staging", "3")
	runs(t, s, one.Version, "1")
	if r := runs(t, s, one.Version[:6], "1"); r.Version != one.Version {
		t.Errorf("ran %s", r.Version)
	}
	list, err := s.Versions("acme", "f")
	if err != nil || len(list.Versions) != 3 || list.Previous != one.Version || list.Split != nil {
		t.Fatalf("versions %+v, %v", list, err)
	}
	for i, want := range []struct {
		version string
		aliases []string
		weight  int
	}{{three.Version, []string{"staging"}, 0}, {two.Version, []string{"live"}, 100}, {one.Version, nil, 0}} {
		if v := list.Versions[i]; v.Version != want.version || !slices.Equal(v.Aliases, want.aliases) || v.Weight != want.weight {
			t.Errorf("version %d is %+v, want %+v", i, v, want)
		}
	}
	back, err := s.Rollback(t.Context(), "acme", "f", "")
	if err != nil || back.Version != one.Version {
		t.Fatalf("rolled back to %+v, %v", back, err)
	}
	runs(t, s, "", "1")
	if back, err = s.Rollback(t.Context(), "acme", "f", ""); err != nil || back.Version != two.Version {
		t.Fatalf("rolled back twice to %+v, %v", back, err)
	}
	if back, err = s.Rollback(t.Context(), "acme", "f", "staging"); err != nil || back.Version != three.Version {
		t.Fatalf("rolled back to the alias: %+v, %v", back, err)
	}
	runs(t, s, "", "3")
	if v, err := s.SetAlias(t.Context(), "acme", "f", "old", one.Version[:8]); err != nil || v.Version != one.Version {
		t.Fatalf("alias of %+v, %v", v, err)
	}
	runs(t, s, "old", "1")
	if err := s.DeleteAlias(t.Context(), "acme", "f", "old"); err != nil {
		t.Fatal(err)
	}
	// What was deployed before is switched to without a check.
	started := s.Stats().Started
	if again := deploy(t, s, "acme", "f", "return 1"); again.Version != one.Version || s.Stats().Started != started {
		t.Errorf("deployed %+v; processes were %d, are %d", again, started, s.Stats().Started)
	}
	runs(t, s, "", "1")
	list, _ = s.Versions("acme", "f")
	var what []string
	for _, c := range list.History {
		what = append(what, c.What)
	}
	if want := []string{"deploy", "deploy", "rollback", "rollback", "rollback", "deploy"}; !slices.Equal(what, want) {
		t.Errorf("history %v, want %v", what, want)
	}
	code, _, err := s.Code(t.Context(), "acme", "f", "staging")
	if err != nil || code != "return 3" {
		t.Errorf("code %q, %v", code, err)
	}
}

func TestVersionsBadInput(t *testing.T) {
	s := open(t, nil)
	one := deploy(t, s, "acme", "f", "return 1")
	two := deploy(t, s, "acme", "f", "return 2")
	deploy(t, s, "other", "f", "return 3")
	ctx := t.Context()
	call := func(err error, _ ...any) error { return err }
	result := func(_ any, err error) error { return err }
	for name, c := range map[string]struct {
		err  error
		want outcome.Outcome
		says string
	}{
		"no such version":           {result(s.Rollback(ctx, "acme", "f", "00000000")), outcome.NotFound, "supervisor versions acme/f"},
		"too short":                 {result(s.Rollback(ctx, "acme", "f", one.Version[:3])), outcome.NotFound, "no version or alias"},
		"no such alias":             {result(s.Invoke(ctx, "acme", "f@staging", nil)), outcome.NotFound, "staging"},
		"another tenant's":          {result(s.Invoke(ctx, "other", "f@"+one.Version, nil)), outcome.NotFound, "no version"},
		"nothing before":            {result(s.Rollback(ctx, "other", "f", "")), outcome.NotFound, "no earlier version"},
		"no such function":          {result(s.Rollback(ctx, "acme", "g", "")), outcome.NotFound, "no such function"},
		"no such tenant":            {result(s.Versions("nobody", "f")), outcome.NotFound, "no such tenant"},
		"an alias like a version":   {result(s.SetAlias(ctx, "acme", "f", "cafe", "live")), outcome.Invalid, "reads as a version"},
		"an alias that is no name":  {result(s.SetAlias(ctx, "acme", "f", "A b", "live")), outcome.Invalid, "a-z"},
		"a deploy's alias":          {result(s.Deploy(ctx, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "return 9", Alias: "beef"})), outcome.Invalid, "reads as a version"},
		"a deploy's alias live":     {result(s.Deploy(ctx, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "return 9", Alias: "live"})), outcome.Invalid, "by itself"},
		"delete live":               {call(s.DeleteAlias(ctx, "acme", "f", "live")), outcome.Invalid, "in use"},
		"delete what is not there":  {call(s.DeleteAlias(ctx, "acme", "f", "gone")), outcome.NotFound, "no alias"},
		"99 %":                      {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 90, one.Version: 9}, nil)), outcome.Invalid, "they are 99 %"},
		"a weight of 0":             {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 100, one.Version: 0}, nil)), outcome.Invalid, "clear the split"},
		"a negative weight":         {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 110, one.Version: -10}, nil)), outcome.Invalid, "-10 %"},
		"three versions":            {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 40, one.Version: 30, two.Version: 30}, nil)), outcome.Invalid, "between two"},
		"the same twice":            {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 40, two.Version: 60}, nil)), outcome.Invalid, "the other not"},
		"a split without live":      {result(s.SetSplit(ctx, "acme", "f", map[string]int{one.Version[:8]: 40, one.Version[:9]: 60}, nil)), outcome.Invalid, "the live one"},
		"a split of what is gone":   {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 40, "00000000": 60}, nil)), outcome.NotFound, "no version"},
		"a rule that is none":       {result(s.SetSplit(ctx, "acme", "f", map[string]int{"live": 40, one.Version: 60}, &supervisor.RollbackRule{Errors: 100, Window: time.Hour * 2})), outcome.Invalid, "less than 100"},
		"a diff with what is gone":  {result(s.Diff(ctx, "acme", "f", "00000000", "")), outcome.NotFound, "no version"},
		"the version of no version": {result(s.Resolve("acme", "f", "live@live")), outcome.NotFound, "no version or alias"},
	} {
		var e *outcome.Error
		if !errors.As(c.err, &e) || e.Outcome != c.want || !strings.Contains(fmt.Sprintf("%v %s %v", e, e.Remedy, e.Problems), c.says) {
			t.Errorf("%s: %v; want %v, %q", name, c.err, c.want, c.says)
		}
	}
	runs(t, s, "", "2")
	if list, err := s.Versions("acme", "f"); err != nil || len(list.Versions) != 2 || list.Split != nil {
		t.Errorf("afterwards: %+v, %v", list, err)
	}
	for i := range 15 {
		if _, err := s.SetAlias(ctx, "acme", "f", fmt.Sprintf("name-%d", i), "live"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.SetAlias(ctx, "acme", "f", "one-more", "live")
	wantOutcome(t, err, outcome.Invalid)
}

// Nothing is live until something is made live.
func TestFirstDeployWithoutLive(t *testing.T) {
	s := open(t, nil)
	f := deploy(t, s, "acme", "f", "return 1", noLive)
	_, err := s.Invoke(t.Context(), "acme", "f", nil)
	if e := wantOutcome(t, err, outcome.NotFound); !strings.Contains(e.Remedy, "alias set acme/f live") {
		t.Errorf("%+v", e)
	}
	runs(t, s, f.Version, "1")
	if got, err := s.Function("acme", "f"); err != nil || got.Version != "" || got.Memory != f.Memory {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.SetAlias(t.Context(), "acme", "f", "live", f.Version); err != nil {
		t.Fatal(err)
	}
	runs(t, s, "", "1")
}

// A tier that got stricter holds for what is served by its name alone.
func TestVersionOverTier(t *testing.T) {
	s := open(t, func(o *supervisor.Options) {
		o.Tiers = map[string]supervisor.Tier{"small": {MaxTimeout: time.Second}}
	})
	large := deploy(t, s, "acme", "f", "return 1", timeout(3*time.Second))
	deploy(t, s, "acme", "f", "return 2", timeout(time.Second))
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open", Tier: "small"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Invoke(t.Context(), "acme", "f@"+large.Version, nil)
	wantOutcome(t, err, outcome.Invalid)
	_, err = s.Rollback(t.Context(), "acme", "f", "")
	wantOutcome(t, err, outcome.Invalid)
	runs(t, s, "", "2")
	if d, err := s.Diff(t.Context(), "acme", "f", large.Version, "live"); err != nil || len(d.Fields) == 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestOldVersionsGo(t *testing.T) {
	data := t.TempDir()
	s := open(t, func(o *supervisor.Options) {
		o.DataDir = data
		o.Tiers = map[string]supervisor.Tier{"default": {KeepVersions: 3}}
	})
	kept := deploy(t, s, "acme", "f", "export well\nreturn 0", alias("kept"))
	hold := filepath.Join(t.TempDir(), "hold")
	long := deploy(t, s, "acme", "f", "export well\nawait-file "+hold+"\nreturn 1")
	started := make(chan error, 1)
	go func() {
		_, err := s.Invoke(context.Background(), "acme", "f", nil)
		started <- err
	}()
	eventually(t, "it runs", func() bool { return s.Stats().Running == 1 })
	for i := range 6 {
		deploy(t, s, "acme", "f", fmt.Sprintf("export well\nreturn %d", 10+i))
	}
	names := func() (names []string) {
		list, err := s.Versions("acme", "f")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range list.Versions {
			names = append(names, v.Version)
		}
		return names
	}
	if got := names(); len(got) != 5 || !slices.Contains(got, kept.Version) || !slices.Contains(got, long.Version) {
		t.Errorf("left are %d versions: %v", len(got), got)
	}
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Errorf("the invocation of a version that is not live any more: %v", err)
	}
	deploy(t, s, "acme", "f", "export well\nreturn 20")
	if got := names(); len(got) != 4 || slices.Contains(got, long.Version) {
		t.Errorf("left are %d versions: %v", len(got), got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, func(o *supervisor.Options) { o.DataDir = data })
	runs(t, s, "", "20")
	runs(t, s, "kept", "0")
}

// Deploys at once are all answered; the last is live, and one made the function.
func TestTwoDeploysAtOnce(t *testing.T) {
	s := open(t, nil)
	if _, err := s.PutTenant(t.Context(), supervisor.Tenant{Name: "acme", Policy: "open"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var created atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			f, err := s.Deploy(context.Background(), supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: fmt.Sprintf("return %d", i%4)})
			if err != nil {
				t.Error(err)
			}
			if f.New {
				created.Add(1)
			}
		})
	}
	wg.Wait()
	if n := created.Load(); n != 1 {
		t.Errorf("%d deploys made the function", n)
	}
	list, err := s.Versions("acme", "f")
	if err != nil || len(list.Versions) != 4 {
		t.Fatalf("%+v, %v", list, err)
	}
	last := list.History[len(list.History)-1]
	if f, err := s.Function("acme", "f"); err != nil || f.Version != last.Version {
		t.Errorf("live is %s, %v; the last deploy made %s", f.Version, err, last.Version)
	}
}

// However often what is live changes, no invocation fails, and each runs all of
// one version.
func TestSwitchUnderLoad(t *testing.T) {
	s := open(t, nil)
	one := deploy(t, s, "acme", "f", "return 1")
	two := deploy(t, s, "acme", "f", "return 2")
	want := map[string]string{one.Version: "1", two.Version: "2"}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var ran [3]atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				r, err := s.Invoke(context.Background(), "acme", "f", nil)
				if err != nil || want[r.Version] != string(r.Value) {
					t.Errorf("version %s gave %s, %v", r.Version, r.Value, err)
					return
				}
				ran[r.Value[0]-'0'].Add(1)
			}
		})
	}
	eventually(t, "invocations run", func() bool { return ran[2].Load() > 0 })
	for i := range 40 {
		before := ran[1+i%2].Load()
		if _, err := s.Rollback(t.Context(), "acme", "f", ""); err != nil {
			t.Error(err)
			break
		}
		eventually(t, "the other version runs", func() bool { return ran[1+i%2].Load() > before })
	}
	stop()
	wg.Wait()
}

func TestSplit(t *testing.T) {
	s := open(t, nil)
	deploy(t, s, "acme", "f", "return 1")
	deploy(t, s, "acme", "f", "return 2", noLive, alias("next"))
	split, err := s.SetSplit(t.Context(), "acme", "f", map[string]int{"live": 50, "next": 50}, nil)
	if err != nil || len(split.Weights) != 2 {
		t.Fatalf("%+v, %v", split, err)
	}
	ran := map[string]int{}
	for range 200 {
		r, err := s.Invoke(t.Context(), "acme", "f", nil)
		if err != nil {
			t.Fatal(err)
		}
		ran[string(r.Value)]++
	}
	if ran["1"] < 50 || ran["2"] < 50 {
		t.Errorf("of 200 invocations at 50 %%: %v", ran)
	}
	if f, err := s.Rollback(t.Context(), "acme", "f", ""); err != nil {
		t.Errorf("%+v, %v", f, err)
	}
	for range 20 {
		runs(t, s, "", "1")
	}
	if _, err := s.SetSplit(t.Context(), "acme", "f", map[string]int{"live": 1, "next": 99}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.ClearSplit(t.Context(), "acme", "f"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		runs(t, s, "", "1")
	}
}

// A candidate that fails too often gets nothing any more, and it is told why.
func TestAutomaticRollback(t *testing.T) {
	data := t.TempDir()
	s := open(t, func(o *supervisor.Options) { o.DataDir = data })
	good := deploy(t, s, "acme", "f", "return 1")
	bad := deploy(t, s, "acme", "f", "throw Error bad", noLive)
	rule := &supervisor.RollbackRule{Errors: 20, Min: 10, Window: time.Hour}
	if _, err := s.SetSplit(t.Context(), "acme", "f", map[string]int{"live": 50, bad.Version: 50}, rule); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 400 {
		if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
			failed++
		}
	}
	if failed != 10 {
		t.Errorf("%d invocations failed; it takes 10", failed)
	}
	eventually(t, "the split ends", func() bool { list, _ := s.Versions("acme", "f"); return list.Split == nil })
	list, err := s.Versions("acme", "f")
	if last := list.History[len(list.History)-1]; err != nil || last.What != "automatic rollback" || last.Version != bad.Version || !strings.Contains(last.Detail, "10 of 10") {
		t.Errorf("history %+v, %v", list.History, err)
	}
	if n := s.Stats().Rollbacks; n != 1 {
		t.Errorf("%d rollbacks", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, func(o *supervisor.Options) { o.DataDir = data })
	if r := runs(t, s, "", "1"); r.Version != good.Version {
		t.Errorf("%+v", r)
	}
	// One that fails seldom enough is kept.
	odd := deploy(t, s, "acme", "f", "return 3", noLive)
	split, err := s.SetSplit(t.Context(), "acme", "f", map[string]int{"live": 1, odd.Version: 99}, rule)
	if err != nil || split.Rollback == nil {
		t.Fatalf("%+v, %v", split, err)
	}
	for range 50 {
		if _, err := s.Invoke(t.Context(), "acme", "f", nil); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = s.Versions("acme", "f"); err != nil || list.Split == nil || list.Split.Failed != 0 || list.Split.Invocations < 10 {
		t.Errorf("%+v, %v", list.Split, err)
	}
}

// settings is an Environment of a test.
type settings struct {
	mu      sync.Mutex
	vars    map[string]string
	secrets []string
}

func (e *settings) set(name, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.vars = maps.Clone(e.vars)
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	e.vars[name] = value
}

func (e *settings) Vars(string, string) (map[string]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.vars, nil
}

func (e *settings) Secrets(string) ([]string, error) { return e.secrets, nil }

func TestEnvironmentIsPartOfTheVersion(t *testing.T) {
	e := &settings{secrets: []string{"API_KEY", "KEY", "OTHER"}}
	region := platform.API{Name: "region", Func: func(ctx context.Context, call *platform.Call) (any, error) {
		vars, recorded, err := call.Environment.Variables(ctx)
		if !recorded {
			return "not recorded", err
		}
		return vars["REGION"], err
	}}
	s := open(t, func(o *supervisor.Options) { apis(region)(o); o.Environment = e })
	source := "call region []\nanswer"
	e.set("REGION", "eu")
	one := deploy(t, s, "acme", "f", source+` ["API_KEY"]`)
	runs(t, s, "", `"\"eu\""`)
	e.set("REGION", "us")
	runs(t, s, "", `"\"eu\""`) // until it is applied
	changed, err := s.ApplyEnvironment(t.Context(), "acme", "")
	if err != nil || len(changed) != 1 || changed[0].Version == one.Version {
		t.Fatalf("%+v, %v", changed, err)
	}
	runs(t, s, "", `"\"us\""`)
	runs(t, s, one.Version, `"\"eu\""`)
	if changed, err := s.ApplyEnvironment(t.Context(), "acme", "f"); err != nil || len(changed) != 0 {
		t.Errorf("applied again: %+v, %v", changed, err)
	}
	d, err := s.Diff(t.Context(), "acme", "f", one.Version, "live")
	if want := []supervisor.Difference{{Field: "env.REGION", From: "eu", To: "us"}}; err != nil || !slices.Equal(d.Fields, want) || len(d.Files) != 0 {
		t.Errorf("diff %+v %+v, %v", d.Fields, d.Files, err)
	}
	if _, err := s.Rollback(t.Context(), "acme", "f", ""); err != nil {
		t.Fatal(err)
	}
	runs(t, s, "", `"\"eu\""`)
	v, err := s.Resolve("acme", "f", "")
	if err != nil || !slices.Equal(v.Secrets, []string{"API_KEY"}) || len(v.Missing) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	e.secrets = nil
	if v, err = s.Resolve("acme", "f", ""); err != nil || !slices.Equal(v.Missing, []string{"API_KEY"}) {
		t.Errorf("%+v, %v", v, err)
	}
	// A split's candidate gets them too, and the split goes on.
	other := deploy(t, s, "acme", "f", source, noLive)
	if _, err := s.SetSplit(t.Context(), "acme", "f", map[string]int{"live": 60, other.Version: 40}, nil); err != nil {
		t.Fatal(err)
	}
	e.set("REGION", "ap")
	if _, err := s.ApplyEnvironment(t.Context(), "acme", "f"); err != nil {
		t.Fatal(err)
	}
	list, err := s.Versions("acme", "f")
	if err != nil || list.Split == nil || list.Split.Weights[other.Version] != 0 || len(list.Split.Weights) != 2 {
		t.Errorf("%+v, %v", list.Split, err)
	}
	for range 20 {
		runs(t, s, "", `"\"ap\""`)
	}
}

func TestDiff(t *testing.T) {
	s := openReal(t, nil)
	one := deploy(t, s, "acme", "f", "() => {\n  const a = 1\n  return a\n}")
	deploy(t, s, "acme", "f", "() => {\n  const a = 2\n  return a\n}", timeout(time.Second))
	d, err := s.Diff(t.Context(), "acme", "f", one.Version, "")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(d.Fields)
	if string(text) != `[{"field":"timeout","from":"5s","to":"1s"}]` {
		t.Errorf("fields %s", text)
	}
	if len(d.Files) != 1 || d.Files[0].Name != "f.js" || !strings.Contains(d.Files[0].Unified, "-  const a = 1\n+  const a = 2\n") {
		t.Errorf("files %+v", d.Files)
	}
	// By the sources, when there are some.
	mapped := func(source string) func(*supervisor.FunctionSpec) {
		text, _ := json.Marshal(source)
		return func(f *supervisor.FunctionSpec) {
			f.SourceMap = `{"version":3,"sources":["src/f.ts"],"sourcesContent":[` + string(text) + `],"mappings":"AAAA"}`
		}
	}
	three := deploy(t, s, "acme", "f", "() => 3", mapped("export default (): number => 3\n"))
	deploy(t, s, "acme", "f", "() => 4", mapped("export default (): number => 4\n"))
	if d, err = s.Diff(t.Context(), "acme", "f", three.Version, "live"); err != nil || len(d.Files) != 1 || d.Files[0].Name != "src/f.ts" ||
		!strings.Contains(d.Files[0].Unified, "+export default (): number => 4") {
		t.Errorf("%+v, %v", d.Files, err)
	}
	large := "() => 5 // " + strings.Repeat("x", 300<<10)
	deploy(t, s, "acme", "f", large)
	if d, err = s.Diff(t.Context(), "acme", "f", one.Version, "live"); err != nil || len(d.Files) != 1 || d.Files[0].Unified != "" || d.Files[0].Reason == "" {
		t.Errorf("%+v, %v", d.Files, err)
	}
}

// The first invocation after a switch does not wait for the version to be
// loaded, if the function was in use.
func TestRealSwitchIsWarm(t *testing.T) {
	s := openReal(t, func(o *supervisor.Options) {
		o.DataDir = t.TempDir()
		o.Tiers = map[string]supervisor.Tier{"default": {KeepVersions: 2}}
	})
	deploy(t, s, "acme", "f", "() => 1")
	runs(t, s, "", "1")
	deploy(t, s, "acme", "f", "() => 2")
	if r := runs(t, s, "", "2"); r.Cold {
		t.Errorf("cold after a deploy: %+v", r)
	}
	if _, err := s.Rollback(t.Context(), "acme", "f", ""); err != nil {
		t.Fatal(err)
	}
	if r := runs(t, s, "", "1"); r.Cold {
		t.Errorf("cold after a rollback: %+v", r)
	}
	// Versions that differ in other things than their code share a snapshot, and
	// it goes with the last of them.
	deploy(t, s, "acme", "f", "() => 2", timeout(time.Second))
	for i := range 3 {
		if n := s.Stats(); n.SnapshotsUsed == 0 || n.Snapshots != 2 {
			t.Errorf("after deploy %d: %+v", i, n)
		}
		deploy(t, s, "acme", "f", fmt.Sprintf("() => %d", 3+i))
	}
}
