package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Deploy checks a function, makes a version of it and, unless the spec says
// otherwise, makes that the one that is invoked from now on; invocations that
// are running finish with the version they began with. A split ends. Deploy
// either returns the version, or changes nothing. Deploying what is deployed
// already changes nothing either, and returns it; what was deployed before is
// switched to without another check of its code.
//
// The error's outcome is NotFound when there is no such tenant and Invalid when
// something is wrong with the code or a setting: then Problems holds every
// fault that was found. To find them, the code's top level is run in a sandbox
// process of its own, with the function's memory and Options.LoadTimeout.
func (s *Supervisor) Deploy(ctx context.Context, f FunctionSpec) (Function, error) {
	done, err := s.enter()
	if err != nil {
		return Function{}, err
	}
	defer done()
	t, err := s.Tenant(f.Tenant)
	if err != nil {
		return Function{}, err
	}
	f = f.withDefaults(s.tier(t.Tier))
	unlock, err := s.deploys.lock(ctx, f.Tenant+"/"+f.Function)
	if err != nil {
		return Function{}, contextError(f.Tenant, f.Function, err)
	}
	defer unlock()

	v, parts, err := s.describe(f)
	if err != nil {
		return Function{}, err
	}
	old, _ := s.store.Function(f.Tenant, f.Function)
	var known *store.Version
	if old != nil && len(f.Problems) == 0 {
		if known = old.Version(v.Version); known != nil && s.store.Lost(known) {
			known = nil
		}
	}
	if known != nil && f.served(old, known) {
		return functionOf(known), nil
	}
	if err := s.shedder.refuse(scarce, f.Tenant, f.Function, "a deploy"); err != nil {
		return Function{}, err
	}
	problems := slices.Concat(f.Problems, s.inspect(f, s.tier(t.Tier)), f.checkAlias())
	if known != nil {
		if len(problems) > 0 {
			return Function{}, invalid(f, problems)
		}
		return s.serve(ctx, f, known)
	}
	sources, faults := specTranslation(f)
	problems = append(problems, faults...)
	trial, err := s.tryOut(ctx, f, &v, problems)
	if err != nil {
		return Function{}, err
	}
	defer trial.discard()
	problems = append(problems, trial.problems...)
	if sources != nil {
		problems = sources.problems(problems)
	}
	if len(problems) > 0 {
		return Function{}, invalid(f, problems)
	}
	v.Shape = trial.shape
	made, err := s.keepVersion(ctx, f, v, parts)
	if err != nil {
		return Function{}, err
	}
	keep := func(when bool) {
		if when && trial.draft != nil {
			s.shelf.keep(trial.draft)
		}
	}
	keep(old != nil) // for the preload
	deployed, err := s.serve(ctx, f, made)
	if err != nil {
		if old == nil || old.Version(made.Version) == nil {
			s.discardVersion(ctx, made)
		}
		return Function{}, err
	}
	keep(old == nil)
	s.prune(ctx, f.Tenant, f.Function)
	return deployed, nil
}

// served tells whether all that a deploy asks for is so already.
func (f FunctionSpec) served(old *store.Function, v *store.Version) bool {
	return (f.NoLive || old.Aliases[Live] == v.Version) && (f.Alias == "" || old.Aliases[f.Alias] == v.Version)
}

func (f FunctionSpec) checkAlias() []outcome.Problem {
	if f.Alias == "" {
		return nil
	}
	if f.Alias == Live {
		return []outcome.Problem{{Field: "alias", Reason: `"live" is what a deploy sets by itself`}}
	}
	if reason := aliasFault(f.Alias); reason != "" {
		return []outcome.Problem{{Field: "alias", Reason: reason}}
	}
	return nil
}

// describe makes the version that a spec stands for.
func (s *Supervisor) describe(f FunctionSpec) (store.Version, store.Parts, error) {
	v := store.Version{Tenant: f.Tenant, Function: f.Function, Memory: f.Memory, Timeout: f.Timeout, CPU: f.CPU, Concurrency: f.Concurrency,
		Isolation: string(f.Isolation), Policy: f.Policy, Public: f.Public}
	if p := s.rules.Load().byName[f.Policy]; p != nil {
		v.PolicyDigest = p.Digest()
	}
	parts := store.Parts{Code: []byte(f.Code), SourceMap: []byte(f.SourceMap), Assets: assets.Pack(f.Assets)}
	var err error
	if parts.Environment, err = s.environmentOf(f.Tenant, f.Function); err != nil {
		return v, parts, err
	}
	if v.Secrets, err = s.secretsIn(f.Tenant, f.Code); err != nil {
		return v, parts, err
	}
	v.Seal(parts)
	return v, parts, nil
}

// imageOf names what of a version is evaluated: versions of a function that
// differ in other things share their snapshot.
func imageOf(digest string, memory int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", digest, memory))
	return hex.EncodeToString(sum[:16])
}

// keepVersion stores a version that has been checked.
func (s *Supervisor) keepVersion(ctx context.Context, f FunctionSpec, v store.Version, parts store.Parts) (*store.Version, error) {
	s.registry.Lock()
	defer s.registry.Unlock()
	t, err := s.Tenant(f.Tenant) // it may have changed meanwhile
	if err != nil {
		return nil, err
	}
	if problems := s.withinTier(f, s.tier(t.Tier)); len(problems) > 0 {
		return nil, invalid(f, problems)
	}
	made, err := s.store.PutVersion(ctx, v, parts)
	if err != nil {
		return nil, storeError(f.Tenant, f.Function, "the function could not be stored", err)
	}
	return made, nil
}

// discardVersion removes a version that could not be switched to.
func (s *Supervisor) discardVersion(ctx context.Context, v *store.Version) {
	ctx = context.WithoutCancel(ctx)
	err := s.store.DeleteVersions(ctx, v.Tenant, v.Function, v.Version)
	if errors.Is(err, store.ErrNotFound) { // there is no function
		err = s.store.DeleteFunction(ctx, v.Tenant, v.Function)
	}
	s.shelf.forget(v.Tenant, v.Function)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.log.Info("a version that could not be switched to is left", "tenant", v.Tenant, "function", v.Function, "version", v.Version, "error", err)
	}
}

// serve gives a version the part that a deploy asks for.
func (s *Supervisor) serve(ctx context.Context, f FunctionSpec, v *store.Version) (Function, error) {
	release := func() {}
	if !f.NoLive {
		release = s.preload(ctx, v)
	}
	defer release()
	s.registry.Lock()
	defer s.registry.Unlock()
	t, err := s.Tenant(f.Tenant)
	if err != nil {
		return Function{}, err
	}
	if problems := s.withinTier(f, s.tier(t.Tier)); len(problems) > 0 {
		return Function{}, invalid(f, problems)
	}
	_, created, err := s.store.ChangeFunction(ctx, f.Tenant, f.Function, func(r *store.Function) error {
		if !f.NoLive {
			makeLive(r, v.Version, "deploy", "")
		}
		return setAlias(r, f.Alias, v.Version)
	})
	if err != nil {
		return Function{}, changeError(f.Tenant, f.Function, err)
	}
	s.settle(ctx, f.Tenant, f.Function)
	s.log.Info("deployed", "tenant", f.Tenant, "function", f.Function, "version", v.Version, "live", !f.NoLive)
	deployed := functionOf(v)
	deployed.New = created
	return deployed, nil
}

// preload has the process that runs the function load a version before any
// invocation has to wait for it. The caller calls release when the version has
// its part, or not. What goes wrong here goes wrong again for an invocation,
// which tells of it.
func (s *Supervisor) preload(ctx context.Context, v *store.Version) (release func()) {
	r := s.pool.residentOf(v.Tenant)
	if r == nil || !r.has(v.Function) {
		return func() {}
	}
	loaded, _, err := r.load(ctx, storedSettings(v), s.codeOf(v))
	if err != nil {
		return func() {}
	}
	return func() { r.unuse(loaded) }
}

// codeOf reads the code of a version.
func (s *Supervisor) codeOf(v *store.Version) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		code, err := s.store.Code(ctx, v.Tenant, v.Digest)
		return string(code), err
	}
}

// settle unloads what is served no more, and forgets splits that have ended.
func (s *Supervisor) settle(_ context.Context, tenant, function string) {
	if r := s.pool.residentOf(tenant); r != nil {
		r.unload(function)
	}
	if f, err := s.store.Function(tenant, function); err != nil || f.Split == nil {
		s.canaries.forget(tenant, function)
	}
}

// prune deletes the versions that are over what the tenant's tier keeps, with
// their snapshots: the oldest, but none that has a name, a part in what is live
// or was live before, or runs.
func (s *Supervisor) prune(ctx context.Context, tenant, function string) {
	t, err := s.Tenant(tenant)
	if err != nil {
		return
	}
	f, err := s.store.Function(tenant, function)
	if err != nil {
		return
	}
	r := s.pool.residentOf(tenant)
	var old []string
	for _, v := range f.Versions[min(len(f.Versions), s.tier(t.Tier).KeepVersions):] {
		if !f.Named(v.Version) && v.Version != f.Previous && (r == nil || !r.runs(v)) {
			old = append(old, v.Version)
		}
	}
	if len(old) == 0 {
		return
	}
	if err := s.store.DeleteVersions(context.WithoutCancel(ctx), tenant, function, old...); err != nil {
		s.log.Info("old versions could not be deleted; the next deploy tries again", "tenant", tenant, "function", function, "error", err)
	}
	s.shelf.forget(tenant, function)
}
