package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// PutVersion makes a version that Seal has named: it stores its parts, which the
// tenant's versions share, and then the record. Parts.Code may be nil when
// another version of the tenant has the same code, source map and assets. Nobody is
// sent to the version before ChangeFunction gives it a part. One that exists
// already is returned as it is; parts of it that are damaged are repaired. It sets
// Deployed.
//
// The errors are ErrNotFound when there is no such tenant, or none of its
// versions has the code, ErrCorrupt when what the disk holds cannot be replaced,
// a *RecordError when the tenant's record is damaged, ErrInvalid,
// ErrUnconfirmed, ErrClosed, or the context's: after the code is stored, the
// context is not looked at.
func (s *Store) PutVersion(ctx context.Context, v Version, p Parts) (*Version, error) {
	v.Deployed = now()
	if err := firstError(tooLong("code", p.Code), tooLong("source map", p.SourceMap), tooLong("environment", p.Environment), tooLong("assets", p.Assets), v.check()); err != nil {
		return nil, err
	}
	fail := func(err error) (*Version, error) {
		return nil, fmt.Errorf("put version %s of function %s/%s: %w", v.Version, v.Tenant, v.Function, err)
	}
	end, err := s.begin(ctx, v.Tenant)
	if err != nil {
		return fail(err)
	}
	defer end()
	if _, err := s.cache.tenant(v.Tenant); err != nil {
		return fail(err)
	}
	known, _ := s.cache.version(v.key())
	if p.Code == nil && v.Size > 0 && !(s.cache.uses(v.Tenant, v.Digest) && (v.SourceMap == "" || s.cache.uses(v.Tenant, v.SourceMap)) &&
		(v.Assets == "" || s.cache.uses(v.Tenant, v.Assets))) {
		return fail(fmt.Errorf("its code: %w", ErrNotFound))
	}
	if err := s.writeParts(ctx, &v, p); err != nil {
		s.dropCode(ctx, v.Tenant, v.digests()...)
		return fail(err)
	}
	if known != nil {
		return known, nil
	}
	v.Deployed = s.after(v.Tenant, v.Function)
	if err := s.put(ctx, v.key(), func() ([]byte, error) { return encodeVersion(&v) }); err != nil {
		s.dropCode(ctx, v.Tenant, v.digests()...)
		return fail(err)
	}
	return s.cache.version(v.key())
}

// after returns the time, or a little more: later than what any version of a
// function has, so that their order is that in which they were made.
func (s *Store) after(tenant, function string) time.Time {
	at := now()
	if f, err := s.cache.function(tenant, function); err == nil && len(f.Versions) > 0 && !at.After(f.Versions[0].Deployed) {
		at = f.Versions[0].Deployed.Add(1)
	}
	return at
}

func tooLong(what string, part []byte) error {
	if len(part) > MaxCode {
		return fmt.Errorf("%w %s: %d bytes, the limit is %d", ErrInvalid, what, len(part), MaxCode)
	}
	return nil
}

func (s *Store) writeParts(ctx context.Context, v *Version, p Parts) error {
	if p.Code != nil || v.Size == 0 {
		if err := s.code.write(ctx, v.Tenant, v.Digest, p.Code); err != nil {
			return fmt.Errorf("store its code: %w", err)
		}
		if v.SourceMap != "" {
			if err := s.code.write(ctx, v.Tenant, v.SourceMap, p.SourceMap); err != nil {
				return fmt.Errorf("store its source map: %w", err)
			}
		}
		if v.Assets != "" {
			if err := s.code.write(ctx, v.Tenant, v.Assets, p.Assets); err != nil {
				return fmt.Errorf("store its assets: %w", err)
			}
		}
	}
	if v.Environment != "" {
		if err := s.code.write(ctx, v.Tenant, v.Environment, p.Environment); err != nil {
			return fmt.Errorf("store its environment: %w", err)
		}
	}
	return nil
}

// ChangeFunction replaces a function's record by what change makes of it, in
// one write; of a function that has none yet it is empty. It reports whether it
// made the function. Every version that the record names has to exist. A change
// that changes nothing is not written.
//
// The errors are those of change, ErrNotFound when there is no such tenant or
// version, ErrInvalid, ErrUnconfirmed, ErrClosed, a *RecordError when the
// tenant's record is damaged, or the context's before anything was written.
func (s *Store) ChangeFunction(ctx context.Context, tenant, function string, change func(*Function) error) (f *Function, created bool, err error) {
	if err := firstError(checkName("tenant", tenant), checkName("function", function)); err != nil {
		return nil, false, err
	}
	end, err := s.begin(ctx, tenant)
	if err != nil {
		return nil, false, fmt.Errorf("change function %s/%s: %w", tenant, function, err)
	}
	defer end()
	if _, err := s.cache.tenant(tenant); err != nil {
		return nil, false, err
	}
	err = s.put(ctx, recordKey{tenant: tenant, function: function}, func() ([]byte, error) {
		at := now()
		next := &Function{Tenant: tenant, Function: function, Aliases: map[string]string{}, Created: at}
		old, err := s.cache.function(tenant, function)
		if created = err != nil; !created { // a damaged one is replaced
			next = old.clone()
		}
		if err := change(next); err != nil {
			return nil, err
		}
		if !created && reflect.DeepEqual(next, old.clone()) {
			return nil, errUnchanged
		}
		next.Updated = at
		if err := s.checkNamed(next); err != nil {
			return nil, err
		}
		return encodeFunction(next)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, false, err
	}
	f, err = s.cache.function(tenant, function)
	return f, created, err
}

var errUnchanged = errors.New("it is so already")

func (s *Store) checkNamed(f *Function) error {
	names := make([]string, 0, len(f.Aliases)+1)
	for _, version := range f.Aliases {
		names = append(names, version)
	}
	if f.Split != nil {
		names = append(names, f.Split.Candidate)
	}
	for _, version := range names {
		if _, err := s.cache.version(recordKey{f.Tenant, f.Function, version}); err != nil {
			return err
		}
	}
	return nil
}

// DeleteVersions deletes versions of a function, with the code that no other
// has. The error is ErrInvalid, and nothing is deleted, when one of them has a
// name or a part in what is live; else ErrUnconfirmed or ErrClosed.
func (s *Store) DeleteVersions(ctx context.Context, tenant, function string, versions ...string) error {
	end, err := s.begin(ctx, tenant)
	if err != nil {
		return fmt.Errorf("delete versions of %s/%s: %w", tenant, function, err)
	}
	defer end()
	f, err := s.cache.function(tenant, function)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(versions, f.Named); i >= 0 {
		return fmt.Errorf("%w version %s: it is in use", ErrInvalid, versions[i])
	}
	for _, version := range versions {
		if err := s.deleteVersion(ctx, recordKey{tenant, function, version}); err != nil {
			return fmt.Errorf("delete version %s of %s/%s: %w", version, tenant, function, err)
		}
	}
	return nil
}

func (s *Store) deleteVersion(ctx context.Context, k recordKey) error {
	if s.cache.revisionOf(k) == 0 {
		return nil
	}
	digests := s.cache.digests(k)
	if err := s.delete(ctx, k); err != nil {
		return err
	}
	s.dropCode(ctx, k.tenant, digests...)
	return nil
}

// DeleteFunction deletes a function with its versions and their code. It is gone
// in one step, even if the rest has to wait for the next Open. The errors are
// ErrNotFound, ErrInvalid, ErrUnconfirmed and ErrClosed.
func (s *Store) DeleteFunction(ctx context.Context, tenant, function string) error {
	if err := firstError(checkName("tenant", tenant), checkName("function", function)); err != nil {
		return err
	}
	end, err := s.begin(ctx, tenant)
	if err != nil {
		return fmt.Errorf("delete function %s/%s: %w", tenant, function, err)
	}
	defer end()
	if _, err := s.cache.function(tenant, function); errors.Is(err, ErrNotFound) && len(s.cache.versionKeys(tenant, function)) == 0 {
		return err
	}
	if err := s.deleteFunction(ctx, tenant, function); err != nil {
		return fmt.Errorf("delete function %s/%s: %w", tenant, function, err)
	}
	return nil
}

func (s *Store) deleteFunction(ctx context.Context, tenant, function string) error {
	if k := (recordKey{tenant: tenant, function: function}); s.cache.revisionOf(k) != 0 {
		if err := s.delete(ctx, k); err != nil {
			return err
		}
	}
	for _, k := range s.cache.versionKeys(tenant, function) {
		if err := s.deleteVersion(context.WithoutCancel(ctx), k); err != nil {
			return err
		}
	}
	return nil
}
