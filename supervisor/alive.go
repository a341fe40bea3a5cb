package supervisor

import (
	"context"
	"errors"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Alive takes the locks that everything needs and has the registry answer. It
// returns an error when the registry does not, and late or never when a lock
// is held for ever. That it is draining, closed or not Ready is no error: a
// watchdog asks this.
func (s *Supervisor) Alive(ctx context.Context) error {
	_ = s.Ready() // whatever it says: it takes the locks
	if err := s.store.Check(ctx); err != nil && !errors.Is(err, store.ErrClosed) {
		return internal("", "", err.Error(), err)
	}
	return nil
}
