package kv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	kind = "kv"
	// Headers of a message.
	expiresHeader = "Bulkhead-Expires" // in milliseconds since 1970
	deletedHeader = "Bulkhead-Deleted"

	// loadTimeout bounds the reading of a tenant's keys, writeTimeout one
	// write with its flush to disk.
	loadTimeout  = 30 * time.Second
	writeTimeout = 10 * time.Second
	// deletedFor is how long the mark of a deletion stays in the stream: for
	// those who watch it.
	deletedFor = time.Minute
	// maxTries bounds how often a write is tried whose key changes meanwhile.
	maxTries = 16
)

// errUnsure means that a write may have taken effect or not.
var errUnsure = errors.New("its outcome is not known")

// tenant is the open stream of one tenant.
type tenant struct {
	name   string
	index  *index
	stream jetstream.Stream
	js     jetstream.JetStream
	data   *store.Data
	watch  jetstream.ConsumeContext
	turn   chan struct{} // of the one that writes

	// Set once ready is closed.
	ready chan struct{}
	err   error

	// Of KV, under its lock.
	users int
	used  time.Time
	stale bool
}

// open tells whether the tenant's keys are known.
func (t *tenant) open() bool {
	select {
	case <-t.ready:
		return t.err == nil
	default:
		return false
	}
}

// load opens the stream and reads its keys. On an error there is nothing to
// close.
func (t *tenant) load(ctx context.Context, data *store.Data) (err error) {
	t.js, t.data = data.JetStream(), data
	t.stream, err = data.TenantStream(ctx, kind, t.name, jetstream.StreamConfig{
		MaxMsgsPerSubject: 1, AllowMsgTTL: true, AllowDirect: true, Discard: jetstream.DiscardNew, DenyDelete: true,
	})
	if err != nil {
		return err
	}
	consumer, err := t.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, HeadersOnly: true, InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("kv of tenant %s: watch: %w", t.name, err)
	}
	loaded := make(chan struct{}, 1)
	if consumer.CachedInfo().NumPending == 0 {
		loaded <- struct{}{}
	}
	t.watch, err = consumer.Consume(func(m jetstream.Msg) {
		meta, err := m.Metadata()
		if err != nil {
			return
		}
		size, _ := strconv.ParseInt(m.Headers().Get("Nats-Msg-Size"), 10, 64)
		if e, ok := t.entry(m.Subject(), m.Headers(), meta.Sequence.Stream, size); ok {
			t.index.apply(e)
			if e.gone {
				t.index.forget(e)
			}
		}
		if meta.NumPending == 0 {
			select {
			case loaded <- struct{}{}:
			default:
			}
		}
	})
	if err != nil {
		return fmt.Errorf("kv of tenant %s: watch: %w", t.name, err)
	}
	if err := t.awaitLoad(ctx, consumer, loaded); err != nil {
		t.close()
		return fmt.Errorf("kv of tenant %s: read its keys: %w", t.name, err)
	}
	return nil
}

// awaitLoad waits for the last key. It may expire before it is delivered, so
// the consumer is asked now and then whether there is any left.
func (t *tenant) awaitLoad(ctx context.Context, consumer jetstream.Consumer, loaded <-chan struct{}) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for none := 0; none < 2; {
		select {
		case <-loaded:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if info, err := consumer.Info(ctx); err == nil && info.NumPending == 0 {
			none++
		}
	}
	return nil
}

func (t *tenant) close() {
	t.watch.Stop()
	<-t.watch.Closed()
	t.index.clear()
}

func (t *tenant) subject(key string) string { return store.Subject(kind, t.name) + encodeKey(key) }

// entry reads a message of the stream, save its data.
func (t *tenant) entry(subject string, h nats.Header, sequence uint64, size int64) (*entry, bool) {
	token, ok := strings.CutPrefix(subject, store.Subject(kind, t.name))
	if !ok {
		return nil, false
	}
	key, ok := decodeKey(token)
	if !ok {
		return nil, false
	}
	e := &entry{key: key, version: sequence, size: int64(len(key)) + size, gone: h.Get(deletedHeader) != ""}
	if at, err := strconv.ParseInt(h.Get(expiresHeader), 10, 64); err == nil {
		e.expires = time.UnixMilli(at)
	}
	return e, true
}

// read returns the live entry of a key and its value, or nil.
func (t *tenant) read(ctx context.Context, key string) (*entry, value.Wire, error) {
	for range maxTries {
		e := t.index.get(key)
		if !e.live(time.Now()) {
			return nil, nil, nil
		}
		if v, ok := t.index.cache.get(e); ok {
			return e, v, nil
		}
		m, err := t.stream.GetLastMsgForSubject(ctx, t.subject(key))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			if t.index.get(key) != e {
				continue
			}
			// It has just expired, or there was no descriptor for its file: what
			// JetStream has in memory of its messages tells.
			info, err := t.stream.Info(ctx, jetstream.WithSubjectFilter(t.subject(key)))
			if err == nil && len(info.State.Subjects) > 0 {
				err = store.ErrUnread
			}
			if err != nil {
				return nil, nil, fmt.Errorf("read a key of tenant %s: %w", t.name, err)
			}
			t.index.forget(e)
			return nil, nil, nil
		case err != nil:
			return nil, nil, fmt.Errorf("read a key of tenant %s: %w", t.name, err)
		case m.Sequence == e.version:
			t.index.keep(e, m.Data)
			return e, m.Data, nil
		default:
			if newer, ok := t.entry(m.Subject, m.Header, m.Sequence, int64(len(m.Data))); ok {
				t.index.apply(newer)
			}
		}
	}
	return nil, nil, busy()
}

func busy() error {
	return platform.Errorf("ConflictError", "kv: the key keeps changing; try again")
}

// condition is what a write expects of a key.
type condition struct {
	version uint64 // 0 when any will do
	absent  bool
}

// check returns a ConflictError when e is not as expected.
func (c condition) check(e *entry, live bool) error {
	switch {
	case c.absent && live:
		return conflict("the key exists already", e.version)
	case c.version != 0 && !live:
		return conflict("the key does not exist", nil)
	case c.version != 0 && e.version != c.version:
		return conflict(fmt.Sprintf("the key has version %d, not %d", e.version, c.version), e.version)
	}
	return nil
}

func conflict(reason string, version any) error {
	e := platform.Errorf("ConflictError", "kv: %s", reason)
	e.Properties = map[string]any{"version": version}
	return e
}

// write puts a message in place of the key's last one, if the condition holds
// then and check, which gets that one, does not refuse it. It returns nil when
// there was nothing to delete.
func (t *tenant) write(ctx context.Context, key string, data value.Wire, expires time.Time, deleted bool, c condition, check func(old *entry) error) (e *entry, err error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Once begun, a write is waited for: its outcome would be unknown.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := t.data.Room(len(data)); err != nil {
		return nil, fmt.Errorf("write a key of tenant %s: %w", t.name, err)
	}
	m := nats.NewMsg(t.subject(key))
	m.Data = data
	for range maxTries {
		old := t.index.get(key)
		live := old.live(time.Now())
		if err := c.check(old, live); err != nil {
			return nil, err
		}
		if deleted && !live {
			return nil, nil
		}
		if err := check(old); err != nil {
			return nil, err
		}
		ttl := deletedFor
		if deleted {
			m.Header.Set(deletedHeader, "1")
		} else if !expires.IsZero() {
			m.Header.Set(expiresHeader, strconv.FormatInt(expires.UnixMilli(), 10))
			ttl = time.Until(expires).Truncate(time.Second) + 2*time.Second
		} else {
			ttl = 0
		}
		var options []jetstream.PublishOpt
		if ttl > 0 {
			options = append(options, jetstream.WithMsgTTL(max(ttl, 2*time.Second)))
		}
		if c != (condition{}) {
			var version uint64
			if old != nil {
				version = old.version
			}
			options = append(options, jetstream.WithExpectLastSequencePerSubject(version))
		}
		ack, err := t.js.PublishMsg(ctx, m, options...)
		if err == nil {
			e := &entry{key: key, version: ack.Sequence, size: int64(len(key) + len(data)), expires: expires, gone: deleted}
			t.index.apply(e)
			if !deleted {
				t.index.keep(e, data)
			}
			return e, nil
		}
		if !isMismatch(err) {
			return nil, fmt.Errorf("write a key of tenant %s: %w: %w", t.name, errUnsure, err)
		}
		m.Header = nats.Header{}
		if err := t.refresh(ctx, key); err != nil {
			return nil, err
		}
	}
	return nil, busy()
}

// refresh brings what is known of a key up to date.
func (t *tenant) refresh(ctx context.Context, key string) error {
	m, err := t.stream.GetLastMsgForSubject(ctx, t.subject(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		if e := t.index.get(key); e != nil {
			t.index.forget(e)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read a key of tenant %s: %w", t.name, err)
	}
	if e, ok := t.entry(m.Subject, m.Header, m.Sequence, int64(len(m.Data))); ok {
		t.index.apply(e)
	}
	return nil
}

func isMismatch(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
