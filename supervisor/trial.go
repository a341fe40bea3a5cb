package supervisor

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/snapshots"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// maxChecks is how many deploys are checked at once.
const maxChecks = 4

// trial is what came of loading a function once.
type trial struct {
	shape    string
	problems []outcome.Problem
	draft    *snapshots.Draft // its snapshot, or nil
}

func (t *trial) discard() {
	if t.draft != nil {
		t.draft.Discard()
	}
}

func faulty(problems ...outcome.Problem) *trial { return &trial{problems: problems} }

// tryOut loads a function in a process that is thrown away. Limits that are
// known to be wrong are replaced, so that the code's own faults are found too.
// The caller discards the trial.
func (s *Supervisor) tryOut(ctx context.Context, f FunctionSpec, version *store.Version, known []outcome.Problem) (*trial, error) {
	for _, p := range known {
		switch p.Field {
		case "code":
			if p.Line == 0 || strings.IndexByte(f.Code, 0) >= 0 || !utf8.ValidString(f.Code) {
				return faulty(), nil // not a text that could be loaded
			}
		case "memory":
			f.Memory = DefaultMemory
		case "concurrency":
			f.Concurrency = DefaultConcurrency
		}
	}
	if !validName(f.Function) {
		f.Function = "function"
	}
	select {
	case s.checks <- struct{}{}:
		defer func() { <-s.checks }()
	case <-ctx.Done():
		return nil, contextError(f.Tenant, f.Function, ctx.Err())
	}
	r, err := s.pool.assign(f.Tenant)
	if err != nil {
		return nil, err
	}
	defer r.kill(causeSpent, nil)
	set := settingsOf(f, version)
	v, _, err := r.load(ctx, set, func(context.Context) (string, error) { return f.Code, nil })
	if err == nil {
		t := &trial{shape: shapeName(v.shape)}
		if len(known) == 0 {
			t.draft = r.export(set, v)
		}
		return t, nil
	}
	var e *outcome.Error
	switch {
	case ctx.Err() != nil:
		return nil, contextError(f.Tenant, f.Function, ctx.Err())
	case errors.Is(err, errLost):
		return faulty(outcome.Problem{Field: "code", Reason: "its top level brings its sandbox process down"}), nil
	case !errors.As(err, &e):
		return nil, internal(f.Tenant, f.Function, "the code could not be checked", err)
	case e.Outcome == outcome.Internal:
		return nil, e
	case len(e.Problems) > 0:
		return faulty(e.Problems...), nil
	default:
		return faulty(outcome.Problem{Field: "code", Reason: e.Detail}), nil
	}
}

func settingsOf(f FunctionSpec, v *store.Version) settings {
	return settings{f.Function, v.Version, v.Digest, f.Memory, f.Timeout, f.CPU, f.Concurrency, f.Isolation, false}
}

func shapeName(s sandboxpb.Shape) string {
	name := strings.TrimPrefix(s.String(), "SHAPE_")
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}
