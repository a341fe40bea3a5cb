package supervisor

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// aliasFault says why a name cannot be an alias, "" when it can.
func aliasFault(alias string) string {
	switch {
	case !validName(alias):
		return fmt.Sprintf("%.80q cannot be an alias: %s", alias, nameRule)
	case hexadecimal(alias):
		return fmt.Sprintf("%q cannot be an alias, for it reads as a version's name: use a letter after f, or -", alias)
	}
	return ""
}

// makeLive sends all invocations to a version. A split ends.
func makeLive(f *store.Function, version, what, detail string) {
	was := f.Aliases[Live]
	if was == version && f.Split == nil {
		return
	}
	if was != version {
		if was != "" {
			f.Previous = was
		}
		f.Aliases[Live] = version
	}
	f.Split = nil
	f.Note(store.Change{What: what, Version: version, Detail: detail})
}

func setAlias(f *store.Function, alias, version string) error {
	if alias == "" {
		return nil
	}
	if _, known := f.Aliases[alias]; !known && len(f.Aliases) >= store.MaxAliases {
		return &outcome.Error{Outcome: outcome.Invalid, Tenant: f.Tenant, Function: f.Function,
			Detail: fmt.Sprintf("the function has %d aliases, which is the most", len(f.Aliases)), Remedy: "delete one first"}
	}
	f.Aliases[alias] = version
	return nil
}

// changeError is what a change of a function's record ended with.
func changeError(tenant, function string, err error) error {
	var known *outcome.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return contextError(tenant, function, err)
	}
	return storeError(tenant, function, "the function could not be stored", err)
}

// lockFunction returns a function that exists, whose record nobody else changes
// until unlock.
func (s *Supervisor) lockFunction(ctx context.Context, tenant, function string) (f *store.Function, unlock func(), err error) {
	if unlock, err = s.deploys.lock(ctx, tenant+"/"+function); err != nil {
		return nil, nil, contextError(tenant, function, err)
	}
	if f, err = s.store.Function(tenant, function); err != nil {
		unlock()
		return nil, nil, s.lookupError(tenant, function, err)
	}
	return f, unlock, nil
}

// change changes the record of a function that exists, and returns it. choose
// says which version gets a part, nil for none: that is loaded beforehand.
func (s *Supervisor) change(ctx context.Context, tenant, function string,
	choose func(*store.Function) (*store.Version, error), change func(f *store.Function, v *store.Version) error) (*store.Function, error) {
	done, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	f, unlock, err := s.lockFunction(ctx, tenant, function)
	if err != nil {
		return nil, err
	}
	defer unlock()
	v, err := choose(f)
	if err != nil {
		return nil, err
	}
	if v != nil {
		defer s.preload(ctx, v)()
	}
	s.registry.Lock()
	defer s.registry.Unlock()
	if v != nil {
		if err := s.fits(v); err != nil {
			return nil, err
		}
	}
	f, _, err = s.store.ChangeFunction(ctx, tenant, function, func(f *store.Function) error {
		if f.Updated.IsZero() {
			return s.lookupError(tenant, function, store.ErrNotFound) // deleted meanwhile
		}
		return change(f, v)
	})
	if err != nil {
		return nil, changeError(tenant, function, err)
	}
	s.settle(ctx, tenant, function)
	return f, nil
}

// Rollback makes a version live again: the one that to means, which is what
// Resolve takes, or the one that was live before when it is empty. With a split
// and an empty to, the split ends instead. Rolling back twice leads back. A split
// ends in any case. It returns what is live then.
//
// The error's outcome is NotFound when there is no such function or version, or
// no earlier one, and Invalid when the version asks for more than the tenant's
// tier allows now.
func (s *Supervisor) Rollback(ctx context.Context, tenant, function, to string) (Function, error) {
	f, err := s.change(ctx, tenant, function, func(f *store.Function) (*store.Version, error) {
		switch {
		case to != "":
			return s.named(f, to)
		case f.Split != nil && f.Live() != nil:
			return f.Live(), nil
		}
		if v := f.Version(f.Previous); v != nil {
			return v, nil
		}
		return nil, &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Function: function, Detail: "no earlier version is there to go back to",
			Remedy: fmt.Sprintf("see what there is, and name one: supervisor versions %s/%s", tenant, function)}
	}, func(f *store.Function, v *store.Version) error {
		makeLive(f, v.Version, "rollback", "")
		return nil
	})
	if err != nil {
		return Function{}, err
	}
	s.log.Info("rolled back", "tenant", tenant, "function", function, "version", f.Aliases[Live])
	return s.function(f), nil
}

// SetAlias gives a version a name, and takes it from the version that had it.
// ref is what Resolve takes. The alias "live" sends all invocations to the
// version, and ends a split. The error's outcome is NotFound when there is no
// such function or version, and Invalid when the name cannot be an alias.
func (s *Supervisor) SetAlias(ctx context.Context, tenant, function, alias, ref string) (Version, error) {
	if reason := aliasFault(alias); reason != "" {
		return Version{}, &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Function: function, Detail: "the alias was not set",
			Problems: []outcome.Problem{{Field: "alias", Reason: reason}}}
	}
	var named *store.Version
	f, err := s.change(ctx, tenant, function, func(f *store.Function) (v *store.Version, err error) {
		named, err = s.named(f, ref)
		return named, err
	}, func(f *store.Function, v *store.Version) error {
		if alias == Live {
			makeLive(f, v.Version, "alias", "")
			return nil
		}
		return setAlias(f, alias, v.Version)
	})
	if err != nil {
		return Version{}, err
	}
	s.log.Info("alias set", "tenant", tenant, "function", function, "alias", alias, "version", named.Version)
	return s.version(f, named), nil
}

// DeleteAlias takes a name from the version that has it. The error's outcome is
// NotFound when there is no such function or alias, and Invalid for "live",
// which is always in use.
func (s *Supervisor) DeleteAlias(ctx context.Context, tenant, function, alias string) error {
	_, err := s.change(ctx, tenant, function, func(*store.Function) (*store.Version, error) { return nil, nil },
		func(f *store.Function, _ *store.Version) error {
			switch _, known := f.Aliases[alias]; {
			case !known:
				return &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Function: function, Detail: fmt.Sprintf("the function has no alias %.80q", alias),
					Remedy: fmt.Sprintf("see what there is: supervisor alias list %s/%s", tenant, function)}
			case alias == Live:
				return &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Function: function, Detail: `the alias "live" is in use: it is what invocations run`,
					Remedy: "give it to another version, or delete the function"}
			}
			delete(f.Aliases, alias)
			return nil
		})
	if err == nil {
		s.log.Info("alias deleted", "tenant", tenant, "function", function, "alias", alias)
	}
	return err
}
