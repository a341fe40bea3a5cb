package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Tenant returns a tenant's record, from memory. The errors are ErrNotFound
// and *RecordError.
func (s *Store) Tenant(name string) (Tenant, error) { return s.cache.tenant(name) }

// Tenants returns the tenants in order of their names, without damaged ones.
func (s *Store) Tenants() []Tenant { return s.cache.allTenants() }

// Function returns a function's record, from memory. The errors are
// ErrNotFound and *RecordError, also when it is the tenant's record that is
// missing or damaged.
func (s *Store) Function(tenant, function string) (Function, error) {
	return s.cache.function(tenant, function)
}

// Functions returns a tenant's functions in order of their names, without
// damaged ones. The errors are ErrNotFound and *RecordError, for the tenant.
func (s *Store) Functions(tenant string) ([]Function, error) { return s.cache.allFunctions(tenant) }

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
	err = s.put(ctx, t.Name, "", func() ([]byte, error) {
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
	if err := s.delete(ctx, name, ""); err != nil {
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

// PutFunction deploys: it stores the code, and its source map unless that is
// empty, then makes the record name them. It sets Digest, SourceMap, Size and
// Deployed, and returns what it stored. Until it
// returns, and whenever it fails, the function is what it was before, except
// after ErrUnconfirmed. Of several concurrent calls for one function each that
// succeeds is the current version for a while, the last one for good.
//
// The other errors are ErrNotFound when there is no such tenant, ErrCorrupt
// when what the disk holds cannot be replaced, a
// *RecordError when the tenant's record is damaged, ErrInvalid, ErrUnwritable, ErrClosed, or
// the context's: after the code is stored, the context is not looked at.
func (s *Store) PutFunction(ctx context.Context, f Function, code, sourceMap []byte) (Function, error) {
	if len(code) > MaxCode {
		return Function{}, fmt.Errorf("%w code: %d bytes, the limit is %d", ErrInvalid, len(code), MaxCode)
	}
	if len(sourceMap) > MaxCode {
		return Function{}, fmt.Errorf("%w source map: %d bytes, the limit is %d", ErrInvalid, len(sourceMap), MaxCode)
	}
	f.SourceMap = ""
	if len(sourceMap) > 0 {
		f.SourceMap = digestOf(sourceMap)
	}
	f.Digest, f.Size, f.Deployed = digestOf(code), int64(len(code)), now()
	if err := f.check(); err != nil {
		return Function{}, err
	}
	fail := func(err error) (Function, error) {
		return Function{}, fmt.Errorf("put function %s/%s: %w", f.Tenant, f.Function, err)
	}
	end, err := s.begin(ctx, f.Tenant)
	if err != nil {
		return fail(err)
	}
	defer end()
	if _, err := s.cache.tenant(f.Tenant); err != nil {
		return fail(err)
	}
	if err := s.code.write(ctx, f.Tenant, f.Digest, code); err != nil {
		return fail(fmt.Errorf("store its code: %w", err))
	}
	if f.SourceMap != "" {
		if err := s.code.write(ctx, f.Tenant, f.SourceMap, sourceMap); err != nil {
			s.dropCode(ctx, f.Tenant, f.Digest)
			return fail(fmt.Errorf("store its source map: %w", err))
		}
	}
	var replaced []string
	err = s.put(ctx, f.Tenant, f.Function, func() ([]byte, error) {
		old, _ := s.cache.function(f.Tenant, f.Function)
		replaced = old.digests()
		f.Deployed = now()
		return encodeFunction(f)
	})
	if err != nil {
		s.dropCode(ctx, f.Tenant, f.digests()...)
		return fail(err)
	}
	s.dropCode(ctx, f.Tenant, replaced...)
	return f, nil
}

// DeleteFunction deletes a function and its code. The errors are ErrNotFound,
// ErrInvalid, ErrUnwritable, ErrUnconfirmed and ErrClosed.
func (s *Store) DeleteFunction(ctx context.Context, tenant, function string) error {
	if err := firstError(checkName("tenant", tenant), checkName("function", function)); err != nil {
		return err
	}
	end, err := s.begin(ctx, tenant)
	if err != nil {
		return fmt.Errorf("delete function %s/%s: %w", tenant, function, err)
	}
	defer end()
	if _, err := s.cache.function(tenant, function); errors.Is(err, ErrNotFound) {
		return err
	}
	if err := s.deleteFunction(ctx, tenant, function); err != nil {
		return fmt.Errorf("delete function %s/%s: %w", tenant, function, err)
	}
	return nil
}

func (s *Store) deleteFunction(ctx context.Context, tenant, function string) error {
	digests := s.cache.digests(tenant, function)
	if err := s.delete(ctx, tenant, function); err != nil {
		return err
	}
	s.dropCode(ctx, tenant, digests...)
	return nil
}

// Code returns the code or source map with a digest, as a Function names it,
// from disk. The
// errors are ErrNotFound (it has been replaced or deleted), ErrCorrupt
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

// missingCode looks again for code that a function uses, while no deploy can
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

// dropCode removes code and source maps that no function uses any more. The
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

// put writes a record in place of the one that encode saw, and tries again
// when that was not the newest. The tenant's turn is held, so only a write
// that was left unconfirmed earlier can come in between.
func (s *Store) put(ctx context.Context, tenant, function string, encode func() ([]byte, error)) error {
	return s.swap(ctx, tenant, function, func(ctx context.Context, key string, revision uint64) error {
		value, err := encode()
		if err == nil {
			err = room(s.node.dir, len(value))
		}
		if err != nil {
			return err
		}
		if revision == 0 {
			revision, err = s.records.Create(ctx, key, value)
		} else {
			revision, err = s.records.Update(ctx, key, value, revision)
		}
		if err != nil {
			return err
		}
		if err := s.cache.wait(ctx, func() bool { return s.cache.revision >= revision }); err != nil {
			return err
		}
		s.remember(key, revision, value)
		return nil
	})
}

// delete marks a record as deleted, whatever its state.
func (s *Store) delete(ctx context.Context, tenant, function string) error {
	return s.swap(ctx, tenant, function, func(ctx context.Context, key string, revision uint64) error {
		if err := room(s.node.dir, 0); err != nil {
			return err
		}
		if err := s.records.Delete(ctx, key, jetstream.LastRevision(revision)); err != nil {
			return err
		}
		var seen uint64 // not before the mark's own revision
		if err := s.cache.wait(ctx, func() bool { seen = s.cache.revision; return s.cache.gone(tenant, function) }); err != nil {
			return err
		}
		s.remember(key, seen, nil)
		return nil
	})
}

// swap runs write with a record's key and its revision until no other write
// comes in between. Once begun, a write is waited for: its outcome would be
// unknown otherwise.
func (s *Store) swap(ctx context.Context, tenant, function string, write func(ctx context.Context, key string, revision uint64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	key := tenantKey(tenant)
	if function != "" {
		key = functionKey(tenant, function)
	}
	for {
		revision := s.cache.revisionOf(tenant, function)
		if revision == unknownRevision {
			return &RecordError{key, errUnreadable}
		}
		err := write(ctx, key, revision)
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) && !errors.Is(err, jetstream.ErrKeyExists) {
			return s.writeError(err)
		}
		if err := s.cache.wait(ctx, func() bool { return s.cache.keyRevision(tenant, function) != revision }); err != nil {
			return fmt.Errorf("its newest state cannot be read: %w", err)
		}
	}
}

// writeError tells a write that JetStream refused from one whose outcome is
// unknown.
func (s *Store) writeError(err error) error {
	var refused jetstream.JetStreamError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrUnwritable), errors.Is(err, nats.ErrNoResponders), errors.As(err, &refused) && refused.APIError() != nil:
		return err
	}
	s.unsure.Store(true)
	return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
}

// now has no monotonic part, so that a record equals itself read back.
func now() time.Time { return time.Now().UTC().Round(0) }
