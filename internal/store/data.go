package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// Data is what tenants' functions store in JetStream: a stream per tenant and
// kind of data, on a server of its own, so that nothing that a tenant does
// fills or slows the registry. Its methods may be called from many goroutines.
type Data struct {
	lock *os.File
	node *node
	js   jetstream.JetStream
	once sync.Once
	err  error
}

// OpenData opens tenants' data in a directory, for this process alone. It may
// not be a registry's directory, but may lie below it. The errors are those of
// Open. The caller closes it.
func OpenData(o Options) (_ *Data, err error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", o.Dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, dirError(dir, err)
	}
	d := &Data{}
	if d.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = d.Close()
		}
	}()
	format, err := readFormat(dir, dataFormat)
	if err != nil {
		return nil, err
	}
	if d.node, err = startNode("tenants' data", dir, log); err != nil {
		return nil, err
	}
	if d.js, err = jetstream.New(d.node.conn, jetstream.WithDefaultTimeout(writeTimeout)); err != nil {
		return nil, err
	}
	if format == 0 {
		return d, writeFormat(dir, dataFormat)
	}
	return d, nil
}

// Close stops the server and frees the directory. What runs meanwhile fails.
func (d *Data) Close() error {
	d.once.Do(func() {
		if d.node != nil {
			d.node.stop()
		}
		d.err = d.lock.Close()
	})
	return d.err
}

// Room returns ErrUnwritable, with the reason, unless need bytes can be written.
// A write that the disk refuses is not answered: ask before every one.
func (d *Data) Room(need int) error { return room(d.node.dir, need) }

// JetStream is the connection to the server.
func (d *Data) JetStream() jetstream.JetStream { return d.js }

// Subject begins the subjects of a tenant's stream of a kind. What follows it
// must be tokens that the caller has encoded.
func Subject(kind, tenant string) string { return kind + "." + tenant + "." }

// TenantStream returns a tenant's stream of a kind, which is a word of the
// caller's. It is made or changed to be as the configuration says; Name and
// Subjects are set here. The error is ErrInvalid for a tenant's name that no
// tenant can have.
func (d *Data) TenantStream(ctx context.Context, kind, tenant string, config jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := checkName("tenant", tenant); err != nil {
		return nil, err
	}
	config.Name, config.Subjects = streamName(kind, tenant), []string{Subject(kind, tenant) + ">"}
	stream, err := d.js.Stream(ctx, config.Name)
	if roomErr := d.Room(0); err == nil && roomErr != nil {
		return stream, nil // as it is: to read from
	} else if roomErr != nil {
		return nil, fmt.Errorf("%s of tenant %s: %w", kind, tenant, roomErr)
	}
	stream, err = d.js.CreateOrUpdateStream(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("%s of tenant %s: %w", kind, tenant, err)
	}
	return stream, nil
}

// DeleteTenantStream deletes a tenant's stream of a kind with all that is in
// it. That there is none is no error.
func (d *Data) DeleteTenantStream(ctx context.Context, kind, tenant string) error {
	if err := checkName("tenant", tenant); err != nil {
		return err
	}
	if err := d.js.DeleteStream(ctx, streamName(kind, tenant)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete %s of tenant %s: %w", kind, tenant, err)
	}
	return nil
}

// CheckTenant returns ErrInvalid for a name that no tenant can have, so that
// it is safe in a subject or a path.
func CheckTenant(name string) error { return checkName("tenant", name) }

func streamName(kind, tenant string) string { return kind + "_" + tenant }
