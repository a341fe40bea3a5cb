package store

import (
	"context"
	"errors"
	"fmt"
)

// Tenant returns a tenant's record, from memory. The errors are ErrNotFound
// and *RecordError.
func (s *Store) Tenant(name string) (Tenant, error) { return s.cache.tenant(name) }

// Tenants returns the tenants in order of their names, without damaged ones.
func (s *Store) Tenants() []Tenant { return s.cache.allTenants() }

// Function returns a function's record, from memory. It is not to be changed. The
// errors are ErrNotFound and *RecordError, also when it is the tenant's record
// that is missing or damaged.
func (s *Store) Function(tenant, function string) (*Function, error) {
	return s.cache.function(tenant, function)
}

// Functions returns a tenant's functions in order of their names, without
// damaged ones. The errors are ErrNotFound and *RecordError, for the tenant.
func (s *Store) Functions(tenant string) ([]*Function, error) { return s.cache.allFunctions(tenant) }

// Damaged lists the records that cannot be used, in order of their keys.
func (s *Store) Damaged() []*RecordError { return s.cache.damaged() }

// PutTenant creates a tenant, or replaces its settings. It sets Updated, and
// keeps Created from the record that it replaces; it returns what it stored.
// The errors are ErrInvalid, ErrUnwritable, ErrUnconfirmed, ErrClosed, or the
// context's before anything was written.
func (s *Store) PutTenant(ctx context.Context, t Tenant) (Tenant, error) {
	if err := t.check(); err != nil {
		return Tenant{}, err
	}
	end, err := s.begin(ctx, t.Name)
	if err != nil {
		return Tenant{}, fmt.Errorf("put tenant %s: %w", t.Name, err)
	}
	defer end()
	// A new tenant must not come by the functions of a deleted one.
	if err := s.deleteRest(ctx, t.Name); err != nil {
		return Tenant{}, fmt.Errorf("put tenant %s: finish its deletion: %w", t.Name, err)
	}
	err = s.put(ctx, recordKey{tenant: t.Name}, func() ([]byte, error) {
		t.Updated = now()
		t.Created = t.Updated
		if old, err := s.cache.tenant(t.Name); err == nil {
			t.Created = old.Created
		}
		return encodeTenant(t)
	})
	if err != nil {
		return Tenant{}, fmt.Errorf("put tenant %s: %w", t.Name, err)
	}
	return t, nil
}

// DeleteTenant deletes a tenant with its functions and their code. The tenant
// is gone in one step, even if the rest has to wait for the next Open. The
// errors are ErrNotFound, ErrInvalid, ErrUnwritable, ErrUnconfirmed and ErrClosed.
func (s *Store) DeleteTenant(ctx context.Context, name string) error {
	if err := checkName("tenant", name); err != nil {
		return err
	}
	end, err := s.begin(ctx, name)
	if err != nil {
		return fmt.Errorf("delete tenant %s: %w", name, err)
	}
	defer end()
	if _, err := s.cache.tenant(name); errors.Is(err, ErrNotFound) && len(s.cache.functionNames(name)) == 0 {
		return err
	}
	if err := s.delete(ctx, recordKey{tenant: name}); err != nil {
		return fmt.Errorf("delete tenant %s: %w", name, err)
	}
	if err := s.deleteRest(context.WithoutCancel(ctx), name); err != nil {
		s.log.Warn("cannot finish the deletion of a tenant", "tenant", name, "error", err)
	}
	return nil
}

// deleteRest deletes the functions below a deleted tenant.
func (s *Store) deleteRest(ctx context.Context, tenant string) error {
	if !s.cache.isDeleted(tenant) {
		return nil
	}
	return s.deleteFunctions(ctx, tenant)
}

func (s *Store) deleteFunctions(ctx context.Context, tenant string) error {
	for _, function := range s.cache.functionNames(tenant) {
		if err := s.deleteFunction(ctx, tenant, function); err != nil {
			return err
		}
	}
	return nil
}

// Code returns the code, source map or environment with a digest, as a Version
// names it, from disk. The errors are ErrNotFound (it has been deleted), ErrCorrupt
// (deploying the function again repairs it), ErrInvalid, ErrClosed, or the
// context's.
func (s *Store) Code(ctx context.Context, tenant, digest string) ([]byte, error) {
	if err := checkName("tenant", tenant); err != nil {
		return nil, err
	}
	if !digestForm.MatchString(digest) {
		return nil, fmt.Errorf("%w digest: want 64 hexadecimal digits", ErrInvalid)
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	code, err := s.code.read(ctx, tenant, digest)
	if errors.Is(err, ErrNotFound) && s.cache.uses(tenant, digest) {
		code, err = s.missingCode(ctx, tenant, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("code %s of tenant %s: %w", digest, tenant, err)
	}
	return code, nil
}

// missingCode looks again for code that a version uses, while no deploy can
// be removing it and bringing it back.
func (s *Store) missingCode(ctx context.Context, tenant, digest string) ([]byte, error) {
	turn, err := s.tenants.take(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer turn()
	code, err := s.code.read(ctx, tenant, digest)
	if errors.Is(err, ErrNotFound) && s.cache.uses(tenant, digest) {
		err = fmt.Errorf("%w: it is missing", ErrCorrupt)
	}
	return code, err
}

// dropCode removes code and what belongs to it that no version uses any more. The
// tenant's turn is held. A failure leaves it to the next Open.
func (s *Store) dropCode(ctx context.Context, tenant string, digests ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for _, digest := range digests {
		if digest == "" || s.unsure.Load() || s.cache.references(tenant, digest) {
			continue
		}
		if err := s.code.remove(ctx, objectName(tenant, digest)); err != nil {
			s.log.Info("cannot remove unused code yet", "tenant", tenant, "digest", digest, "error", err)
		}
	}
}
