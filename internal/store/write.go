package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// put writes a record in place of the one that encode saw, and tries again
// when that was not the newest. The tenant's turn is held, so only a write
// that was left unconfirmed earlier can come in between. An error of encode is
// returned as it is.
func (s *Store) put(ctx context.Context, k recordKey, encode func() ([]byte, error)) error {
	return s.swap(ctx, k, func(ctx context.Context, revision uint64) error {
		value, err := encode()
		if err == nil {
			err = room(s.node.dir, len(value))
		}
		if err != nil {
			return &refusal{err}
		}
		if revision == 0 {
			revision, err = s.records.Create(ctx, k.String(), value)
		} else {
			revision, err = s.records.Update(ctx, k.String(), value, revision)
		}
		if err != nil {
			return err
		}
		if err := s.cache.wait(ctx, func() bool { return s.cache.revision >= revision }); err != nil {
			return err
		}
		s.remember(k.String(), revision, value)
		return nil
	})
}

// delete marks a record as deleted, whatever its state.
func (s *Store) delete(ctx context.Context, k recordKey) error {
	return s.swap(ctx, k, func(ctx context.Context, revision uint64) error {
		if err := room(s.node.dir, 0); err != nil {
			return err
		}
		if err := s.records.Delete(ctx, k.String(), jetstream.LastRevision(revision)); err != nil {
			return err
		}
		var seen uint64 // not before the mark's own revision
		if err := s.cache.wait(ctx, func() bool { seen = s.cache.revision; return s.cache.gone(k) }); err != nil {
			return err
		}
		s.remember(k.String(), seen, nil)
		return nil
	})
}

// refusal is an error of ours: nothing was written.
type refusal struct{ error }

// swap runs write with a record's revision until no other write comes in
// between. Once begun, a write is waited for: its outcome would be unknown
// otherwise.
func (s *Store) swap(ctx context.Context, k recordKey, write func(ctx context.Context, revision uint64) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	for {
		revision := s.cache.revisionOf(k)
		if revision == unknownRevision {
			return &RecordError{k.String(), errUnreadable}
		}
		err := write(ctx, revision)
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) && !errors.Is(err, jetstream.ErrKeyExists) {
			return s.writeError(err)
		}
		if err := s.cache.wait(ctx, func() bool { return s.cache.keyRevision(k) != revision }); err != nil {
			return fmt.Errorf("its newest state cannot be read: %w", err)
		}
	}
}

// writeError tells a write that was refused from one whose outcome is unknown.
func (s *Store) writeError(err error) error {
	var ours *refusal
	var refused jetstream.JetStreamError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return ours.error
	case errors.Is(err, ErrUnwritable), errors.Is(err, nats.ErrNoResponders), errors.As(err, &refused) && refused.APIError() != nil:
		return err
	}
	s.unsure.Store(true)
	return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
}
