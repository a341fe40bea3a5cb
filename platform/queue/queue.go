package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	kind = "queue"
	// What follows in a subject: messages that can be consumed, those that
	// wait for their time, and dead letters.
	live, later, dead = "live.", "later.", "dead."

	idHeader       = "Bulkhead-Id"
	sentHeader     = "Bulkhead-Sent" // in milliseconds since 1970
	attemptsHeader = "Bulkhead-Attempts"
	errorHeader    = "Bulkhead-Error"

	sendTimeout = 10 * time.Second
)

// nameForm is that of a queue's name: one token of a subject.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// Queues is the platform API queue.send, and what consumes. It is safe for
// concurrent use.
type Queues struct {
	o Options

	mu      sync.Mutex
	tenants map[string]*tenant
}

// tenant is one tenant's stream and what is known of how full it is.
type tenant struct {
	stream jetstream.Stream
	rate   *rate.Limiter

	mu sync.Mutex
	// At most so much is there: what was at the last look, and what was sent
	// since.
	messages uint64
	bytes    uint64
}

// New makes the Queues. There is nothing to close.
func New(o Options) *Queues {
	o.setDefaults()
	return &Queues{o: o, tenants: map[string]*tenant{}}
}

// API returns the API queue.send. What it takes, returns and throws is in
// docs/platform-apis.md.
func (q *Queues) API() platform.API {
	return platform.API{
		Name: "queue.send", DeleteTenant: q.DeleteTenant,
		Doc: "queue.send(name, message, {delay}): put a message into a queue",
		Attributes: func(args []json.RawMessage) (policies.Attributes, error) {
			name, err := queueName(&platform.Call{Args: args})
			a := policies.Attributes{Name: name}
			if len(args) > 1 {
				a.Size = int64(len(args[1]))
			}
			return a, err
		},
		Func: q.send,
	}
}

// DeleteTenant deletes a tenant's queues with all that is in them. Nothing of
// the tenant may send or consume.
func (q *Queues) DeleteTenant(ctx context.Context, name string) error {
	q.mu.Lock()
	delete(q.tenants, name)
	q.mu.Unlock()
	return q.o.Data.DeleteTenantStream(ctx, kind, name)
}

func queueName(call *platform.Call) (string, error) {
	name, err := call.Text(0, "name", 63)
	if err == nil && !nameForm.MatchString(name) {
		err = platform.TypeErrorf("argument 1 (name) is no queue's name: it must be 1 to 63 letters, digits, - and _, not beginning with - or _")
	}
	return name, err
}

func (q *Queues) send(ctx context.Context, call *platform.Call) (any, error) {
	name, err := queueName(call)
	if err != nil {
		return nil, err
	}
	message, err := call.Value(1, "message", q.o.MaxMessage)
	if err != nil {
		return nil, err
	}
	var o struct {
		Delay float64 `json:"delay"`
	}
	if err := call.Options(2, "options", &o); err != nil {
		return nil, err
	}
	delay, err := platform.Seconds("delay", o.Delay, 0, maxDelay)
	if err != nil {
		return nil, err
	}
	t, err := q.tenant(ctx, call.Tenant)
	if err != nil {
		return nil, err
	}
	if err := q.admit(ctx, t, uint64(len(message))); err != nil {
		return nil, err
	}
	id, err := q.publish(ctx, call.Tenant, name, message, delay)
	if err != nil {
		return nil, err
	}
	return value.NewObject("id", id), nil
}

// tenant returns a tenant's stream, which it makes if there is none.
func (q *Queues) tenant(ctx context.Context, name string) (*tenant, error) {
	q.mu.Lock()
	t := q.tenants[name]
	q.mu.Unlock()
	if t != nil {
		return t, nil
	}
	stream, err := q.o.Data.TenantStream(ctx, kind, name, jetstream.StreamConfig{
		Retention: jetstream.WorkQueuePolicy, MaxAge: q.o.Retention, AllowMsgSchedules: true, AllowMsgTTL: true, AllowRollup: true,
	})
	if err != nil {
		return nil, err
	}
	t = &tenant{stream: stream, rate: rate.NewLimiter(rate.Limit(q.o.MaxRate), 2*q.o.MaxRate)}
	if err := t.look(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if known := q.tenants[name]; known != nil {
		return known, nil
	}
	q.tenants[name] = t
	return t, nil
}

// look counts what is in the stream. The tenant's lock is held, or nobody else
// has it.
func (t *tenant) look(ctx context.Context) error {
	info, err := t.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("queues: %w", err)
	}
	t.messages, t.bytes = info.State.Msgs, info.State.Bytes
	return nil
}

// overhead is about what a message takes beside its own bytes.
const overhead = 256

// admit returns a QuotaExceededError unless one more message may be sent.
func (q *Queues) admit(ctx context.Context, t *tenant, size uint64) error {
	now := time.Now()
	if r := t.rate.ReserveN(now, 1); r.DelayFrom(now) > 0 {
		wait := r.DelayFrom(now)
		r.CancelAt(now)
		return platform.QuotaError("messages per second to queues", int64(q.o.MaxRate), int64(q.o.MaxRate), now.Add(wait))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	size += overhead
	full := func() *platform.Error {
		switch {
		case t.messages+1 > uint64(q.o.MaxMessages):
			return platform.QuotaError("messages in queues", int64(q.o.MaxMessages), int64(t.messages), time.Time{})
		case t.bytes+size > uint64(q.o.MaxBytes):
			return platform.QuotaError("bytes in queues", q.o.MaxBytes, int64(t.bytes), time.Time{})
		}
		return nil
	}
	if full() != nil {
		if err := t.look(ctx); err != nil {
			return err
		}
		if err := full(); err != nil {
			return err
		}
	}
	t.messages++
	t.bytes += size
	return nil
}

// publish returns once the message is on disk.
func (q *Queues) publish(ctx context.Context, tenant, name string, message value.Wire, delay time.Duration) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := q.o.Data.Room(len(message)); err != nil {
		return "", fmt.Errorf("send to queue %s of tenant %s: %w", name, tenant, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	id = uuid.Must(uuid.NewV7()).String()
	prefix := store.Subject(kind, tenant)
	m := nats.NewMsg(prefix + live + name)
	m.Data = message
	m.Header.Set(idHeader, id)
	m.Header.Set(sentHeader, strconv.FormatInt(time.Now().UnixMilli(), 10))
	var options []jetstream.PublishOpt
	if delay > 0 {
		at := time.Now().Add(delay + time.Second - 1) // it is cut to whole seconds
		options = append(options, jetstream.WithScheduleAt(at), jetstream.WithScheduleTarget(m.Subject))
		m.Subject = prefix + later + id
	}
	if _, err := q.o.Data.JetStream().PublishMsg(ctx, m, options...); err != nil {
		return "", fmt.Errorf("send to queue %s of tenant %s: %w", name, tenant, err)
	}
	return id, nil
}

// DeadLetter is a message that was given up.
type DeadLetter struct {
	Message
	// Reason is the last attempt's error.
	Reason string
}

// DeadLetters returns a queue's oldest dead letters, at most so many.
func (q *Queues) DeadLetters(ctx context.Context, tenant, name string, most int) ([]DeadLetter, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("queue %.80q: %w: it is no queue's name", name, store.ErrInvalid)
	}
	t, err := q.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var letters []DeadLetter
	for next := uint64(1); len(letters) < most; {
		m, err := t.stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(store.Subject(kind, tenant)+dead+name))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("dead letters of queue %s of tenant %s: %w", name, tenant, err)
		}
		attempts, _ := strconv.Atoi(m.Header.Get(attemptsHeader))
		letters = append(letters, DeadLetter{newMessage(name, m.Header, m.Data, attempts), m.Header.Get(errorHeader)})
		next = m.Sequence + 1
	}
	return letters, nil
}
