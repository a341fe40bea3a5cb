package store

import (
	"context"
	"fmt"
)

// Check asks the registry for an answer: nil when it gives one before ctx ends.
// It writes nothing. After Close it is ErrClosed.
func (s *Store) Check(ctx context.Context) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	if _, err := s.stream.Info(ctx); err != nil {
		return fmt.Errorf("the registry does not answer: %w", err)
	}
	return nil
}
