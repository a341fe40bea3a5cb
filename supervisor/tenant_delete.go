package supervisor

import (
	"context"
	"errors"
	"fmt"
)

// DeleteTenant deletes a tenant with its functions and everything that the
// platform APIs keep for it. Its invocations that are running are ended, with
// the outcome NotFound; it returns when the last has. There is no way back.
//
// The error's outcome is NotFound when there is no such tenant. Any other
// error means that some of the tenant's data could not be deleted: the tenant
// is still there, without functions, and DeleteTenant can be called again.
func (s *Supervisor) DeleteTenant(ctx context.Context, name string) error {
	done, err := s.enter()
	if err != nil {
		return err
	}
	defer done()
	s.registry.Lock() // no deploy may slip in
	defer s.registry.Unlock()
	if _, err := s.Tenant(name); err != nil {
		return err
	}
	functions, err := s.store.Functions(name)
	if err != nil {
		return s.lookupError(name, "", err)
	}
	for _, f := range functions {
		if err := s.store.DeleteFunction(ctx, name, f.Function); err != nil {
			return storeError(name, f.Function, "the function could not be deleted", err)
		}
		s.shelf.forget(name, f.Function)
		s.canaries.forget(name, f.Function)
	}
	if err := s.evictTenant(ctx, name); err != nil {
		return contextError(name, "", err)
	}
	var errs []error
	for i := range s.o.APIs {
		api := &s.o.APIs[i]
		if api.DeleteTenant == nil {
			continue
		}
		if err := api.DeleteTenant(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", api.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return internal(name, "", "some of the tenant's data could not be deleted; try again", err)
	}
	if err := s.store.DeleteTenant(ctx, name); err != nil {
		return storeError(name, "", "the tenant could not be deleted", err)
	}
	_ = s.recorder.store.Delete(name, "")
	s.activity.Forget(name)
	s.journal.Forget(name, "")
	s.log.Info("tenant deleted", "tenant", name, "functions", len(functions))
	return nil
}

// evictTenant ends a tenant's process and waits for its invocations, which no
// new ones follow: it has no functions any more. One that was about to start
// may still have been given a process.
func (s *Supervisor) evictTenant(ctx context.Context, name string) error {
	for range 2 {
		r := s.pool.residentOf(name)
		if r != nil {
			r.kill(causeDeleted, nil)
		}
		if err := s.gates.quiet(ctx, name); err != nil {
			return err
		}
		if r == nil {
			continue
		}
		select {
		case <-r.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
		r.turns.Wait() // they end with their process
	}
	s.pool.forget(name)
	s.usages.forget(name)
	return nil
}
