package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrNotFound means that there is no such tenant, function or code.
	ErrNotFound = errors.New("not found")
	// ErrInvalid means that a record to be written is wrong; the message
	// names the field.
	ErrInvalid = errors.New("invalid")
	// ErrInUse means that another process has the directory open; the message
	// names its process id.
	ErrInUse = errors.New("in use")
	// ErrNewerFormat means that a later version of Bulkhead wrote this.
	ErrNewerFormat = errors.New("written by a newer version")
	// ErrCorrupt means that what is stored is not what was written.
	ErrCorrupt = errors.New("corrupt")
	// ErrUnconfirmed means that the disk did not confirm a write in time: it
	// may still take effect. Read the record again, or repeat the write.
	ErrUnconfirmed = errors.New("not confirmed in time")
	// ErrClosed means that the store has been closed.
	ErrClosed = errors.New("registry is closed")
)

// ErrUnread means that what is stored was not read back. Where that is for want
// of descriptors or memory, JetStream does not tell: it says that there is no
// such message.
var ErrUnread = errors.New("not read back")

// Exhausted reports whether an error comes of a machine, or a process, that has
// run out of descriptors, processes or memory: of what there will be again.
// JetStream tells so in its text alone.
func Exhausted(err error) bool {
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (strings.Contains(refused.Description, "storage directory is not writable") ||
		strings.Contains(refused.Description, "error creating store")) {
		return true // Room has found that it is writable: there was no descriptor to try it with
	}
	return errors.Is(err, ErrUnread) || slices.ContainsFunc([]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.ENOMEM},
		func(e syscall.Errno) bool {
			return errors.Is(err, e) || refused != nil && strings.Contains(refused.Description, e.Error())
		})
}

// RecordError is a record that cannot be used. It wraps ErrCorrupt or
// ErrNewerFormat. Writing the record anew, or deleting it, ends the error,
// except where the message asks for a backup: JetStream cannot replace what
// the disk does not give back.
type RecordError struct {
	// Key is "tenant.NAME" or "function.TENANT.NAME".
	Key string
	Err error
}

func (e *RecordError) Error() string { return "registry record " + e.Key + ": " + e.Err.Error() }
func (e *RecordError) Unwrap() error { return e.Err }

var (
	errUnknownKey = fmt.Errorf("%w: no record has such a key", ErrCorrupt)
	errUnreadable = fmt.Errorf("%w: the disk has damaged it (restore the data directory from a backup)", ErrCorrupt)
	errNoTenant   = fmt.Errorf("%w: its tenant has no record (create the tenant again, or delete it)", ErrCorrupt)
)

func notFound(what, name string) error { return fmt.Errorf("%s %s: %w", what, name, ErrNotFound) }
