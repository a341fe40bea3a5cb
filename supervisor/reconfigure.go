package supervisor

import (
	"context"
	"errors"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// ApplyEnvironment makes the variables that are set now hold: for every version
// of the function that is live, by itself or in a split, one that differs from
// it in the variables alone takes its place, in one step. An empty function
// stands for all of the tenant's, one after another. Aliases but "live" keep the
// versions that they name, with their variables. It returns what is live then in
// functions that have changed.
//
// The error's outcome is NotFound when there is no such tenant or function. After
// any other, some functions may have changed: call it again.
func (s *Supervisor) ApplyEnvironment(ctx context.Context, tenant, function string) ([]Function, error) {
	done, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	names := []string{function}
	if function == "" {
		all, err := s.store.Functions(tenant)
		if err != nil {
			return nil, s.lookupError(tenant, "", err)
		}
		names = names[:0]
		for _, f := range all {
			names = append(names, f.Function)
		}
	}
	var changed []Function
	var errs []error
	for _, name := range names {
		f, err := s.applyTo(ctx, tenant, name)
		switch {
		case err != nil && (function != "" || !errors.Is(err, store.ErrNotFound)):
			errs = append(errs, err)
		case f != nil:
			changed = append(changed, s.function(f))
		}
	}
	return changed, errors.Join(errs...)
}

// applyTo returns the function if it has changed.
func (s *Supervisor) applyTo(ctx context.Context, tenant, function string) (*store.Function, error) {
	f, unlock, err := s.lockFunction(ctx, tenant, function)
	if err != nil {
		return nil, err
	}
	defer unlock()
	environment, err := s.environmentOf(tenant, function)
	if err != nil {
		return nil, err
	}
	before, instead := f, map[string]*store.Version{}
	for _, v := range []*store.Version{f.Live(), f.Candidate()} {
		if v == nil {
			continue
		}
		next := *v
		if next.SealEnvironment(environment); next.Version == v.Version || next.Environment == v.Environment {
			continue
		}
		made, err := s.store.PutVersion(ctx, next, store.Parts{Environment: environment})
		if err != nil {
			return nil, changeError(tenant, function, err)
		}
		instead[v.Version] = made
		defer s.preload(ctx, made)()
	}
	if len(instead) == 0 {
		return nil, nil
	}
	f, _, err = s.store.ChangeFunction(ctx, tenant, function, func(f *store.Function) error {
		if f.Updated.IsZero() {
			return s.lookupError(tenant, function, store.ErrNotFound)
		}
		split := f.Split // it goes on
		if v := instead[f.Aliases[Live]]; v != nil {
			makeLive(f, v.Version, "environment", "")
		}
		if f.Split = split; split != nil {
			if v := instead[split.Candidate]; v != nil {
				f.Split.Candidate = v.Version
			}
		}
		return nil
	})
	if err != nil {
		for _, v := range instead {
			if before.Version(v.Version) == nil {
				s.discardVersion(ctx, v)
			}
		}
		return nil, changeError(tenant, function, err)
	}
	s.settle(ctx, tenant, function)
	s.prune(ctx, tenant, function)
	s.log.Info("environment applied", "tenant", tenant, "function", function, "version", f.Aliases[Live])
	return f, nil
}
