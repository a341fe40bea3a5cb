package snapshots

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// Draft is a snapshot that is being written. It is not there until Keep, and
// has to be ended by Keep or Discard. It is used by one goroutine at a time.
type Draft struct {
	s      *Store
	key    Key
	f      *os.File
	memory int64
	sum    uint32
	size   int64 // of the finished file
}

var _ io.Writer = (*Draft)(nil)

// Draft begins a snapshot.
func (s *Store) Draft(k Key) (*Draft, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	f, err := os.CreateTemp(s.path(newDir), "")
	if err != nil {
		return nil, fmt.Errorf("snapshots: %w", err)
	}
	return &Draft{s: s, key: k, f: f, sum: k.sum()}, nil
}

// Write appends to the snapshot's memory. ErrTooLarge means that it can never
// be kept.
func (d *Draft) Write(p []byte) (int, error) {
	if d.memory+int64(len(p)) > d.s.max {
		return 0, ErrTooLarge
	}
	n, err := d.f.Write(p)
	d.memory += int64(n)
	d.sum = crc32.Update(d.sum, castagnoli, p[:n])
	if err != nil {
		return n, fmt.Errorf("snapshots: %w", err)
	}
	return n, nil
}

// Finish ends the memory: what follows is its description. From here on the
// snapshot is on the disk, whenever the power goes.
func (d *Draft) Finish(description []byte) error {
	if len(description) > maxDescription {
		return fmt.Errorf("snapshots: a description of %d bytes", len(description))
	}
	tail := append([]byte(nil), description...)
	tail = appendFooter(tail, d.memory, len(description), crc32.Update(d.sum, castagnoli, description))
	d.size = d.memory + int64(len(tail))
	if d.size > d.s.max {
		return ErrTooLarge
	}
	_, err := d.f.Write(tail)
	if err == nil {
		err = d.f.Chmod(0o400)
	}
	if err == nil {
		err = d.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	return nil
}

// Key returns what Draft was called with.
func (d *Draft) Key() Key { return d.key }

// Keep puts a finished draft in the place of whatever snapshot the function
// had. It has ended the draft, whatever it returns.
func (d *Draft) Keep() error {
	defer d.Discard()
	if d.size == 0 {
		return errors.New("snapshots: the draft is not finished")
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	k := d.key
	if err := os.MkdirAll(d.s.path(k.Tenant), 0o700); err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	if err := os.Rename(d.f.Name(), d.s.path(k.Tenant, k.name())); err != nil {
		d.s.prune(k.Tenant)
		return fmt.Errorf("snapshots: %w", err)
	}
	sound, err := identify(d.f) // which the new name has changed
	now := time.Now()
	return errors.Join(err, d.s.put(entry{k, d.size, now, now, sound}), d.s.shrink())
}

// Discard drops a draft, unless it was kept.
func (d *Draft) Discard() {
	_ = d.f.Close()
	_ = os.Remove(d.f.Name()) // gone already, when it was kept
}
