package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// What a RollbackRule gets when it does not say.
const (
	DefaultRollbackMin    = 50
	DefaultRollbackWindow = time.Minute
)

func (r RollbackRule) problems() []outcome.Problem {
	var problems []outcome.Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: "rollback." + field, Reason: fmt.Sprintf(format, args...)})
	}
	if !(r.Errors >= 0 && r.Errors < 100) {
		add("errors", "it is %v %%; it can be 0 up to less than 100", r.Errors)
	}
	if r.Min < 1 || r.Min > 1_000_000 {
		add("min", "it is %d; it can be 1 to 1000000", r.Min)
	}
	if r.Window < time.Second || r.Window > time.Hour {
		add("window", "it is %v; it can be 1s to 1h", r.Window)
	}
	return problems
}

// SetSplit shares out the invocations that ask for no version between two
// versions: weights are their shares in percent, by what Resolve takes, 1 to 99
// each and 100 together. One of them is live, and stays so: it is what is gone
// back to. A split that there is is replaced. rule may be nil.
//
// The error's outcome is NotFound when there is no such function or version, and
// Invalid with every Problem of the weights and the rule.
func (s *Supervisor) SetSplit(ctx context.Context, tenant, function string, weights map[string]int, rule *RollbackRule) (Split, error) {
	problems := weightProblems(weights)
	var stored *store.RollbackRule
	if rule != nil {
		r := RollbackRule{rule.Errors, orDefault(rule.Min, DefaultRollbackMin), orDefault(rule.Window, DefaultRollbackWindow)}
		problems = append(problems, r.problems()...)
		stored = &store.RollbackRule{Errors: r.Errors, Min: r.Min, Window: r.Window}
	}
	fail := func(problems []outcome.Problem) error {
		return &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Function: function, Detail: "the split was not set; nothing has changed", Problems: problems}
	}
	if len(problems) > 0 {
		return Split{}, fail(problems)
	}
	weight := 0
	f, err := s.change(ctx, tenant, function, func(f *store.Function) (*store.Version, error) {
		var live, candidate *store.Version
		for _, ref := range slices.Sorted(maps.Keys(weights)) {
			v, err := s.named(f, ref)
			if err != nil {
				return nil, err
			}
			if v == f.Live() {
				live = v
			} else {
				candidate, weight = v, weights[ref]
			}
		}
		switch {
		case f.Live() == nil:
			return nil, s.notLive(f)
		case live == nil || candidate == nil:
			return nil, fail([]outcome.Problem{{Field: "weights", Reason: fmt.Sprintf("one version has to be the live one, %s, and the other not", short(f.Live().Version))}})
		}
		return candidate, nil
	}, func(f *store.Function, candidate *store.Version) error {
		f.Split = &store.Split{Candidate: candidate.Version, Weight: weight, Rollback: stored, Started: time.Now().UTC().Round(0)}
		f.Note(store.Change{What: "split", Version: candidate.Version, Detail: fmt.Sprintf("%d %%", weight)})
		return nil
	})
	if err != nil {
		return Split{}, err
	}
	s.log.Info("split set", "tenant", tenant, "function", function, "version", f.Split.Candidate, "percent", weight)
	return *s.splitOf(f), nil
}

func weightProblems(weights map[string]int) []outcome.Problem {
	var problems []outcome.Problem
	add := func(format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: "weights", Reason: fmt.Sprintf(format, args...)})
	}
	sum := 0
	for _, ref := range slices.Sorted(maps.Keys(weights)) {
		w := weights[ref]
		if w < 1 || w > 99 {
			add("%.80s has %d %%; it can be 1 to 99: to send it nothing, or everything, clear the split", ref, w)
		}
		sum += min(max(w, -1000), 1000)
	}
	if len(weights) != 2 {
		add("there are %d versions; a split is between two", len(weights))
	} else if sum != 100 {
		add("together they are %d %%; they have to be 100", sum)
	}
	return problems
}

// ClearSplit ends a split: all invocations go to the live version. Without one it
// does nothing. The error's outcome is NotFound when there is no such function.
func (s *Supervisor) ClearSplit(ctx context.Context, tenant, function string) error {
	_, err := s.change(ctx, tenant, function, func(*store.Function) (*store.Version, error) { return nil, nil },
		func(f *store.Function, _ *store.Version) error {
			if f.Split == nil {
				return nil
			}
			f.Note(store.Change{What: "split ended", Version: f.Split.Candidate})
			f.Split = nil
			return nil
		})
	return err
}
