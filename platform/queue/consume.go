package queue

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
	"github.com/bulkhead-run/bulkhead/value"
)

// Message is one message of a queue.
type Message struct {
	ID    string
	Queue string
	Value value.Wire
	Sent  time.Time
	// Attempts counts how often it has been handed out, this time included.
	Attempts int
}

// Handler handles a batch of messages. On nil they are done. On an error all
// of them are tried again, or on a Failed those that it names.
type Handler func(ctx context.Context, batch []Message) error

// Failed says which messages of a batch failed: errors by message id.
type Failed map[string]error

func (f Failed) Error() string { return fmt.Sprintf("%d messages failed", len(f)) }

// failureOf returns what became of one message of the batch.
func failureOf(err error, id string) error {
	if failed := Failed(nil); errors.As(err, &failed) {
		return failed[id]
	}
	return err
}

const (
	idleWait   = 30 * time.Second
	retryAfter = time.Second
	maxReason  = 1 << 10
)

// Consume hands a queue's messages to the handler, batch by batch, until its
// context ends; then it returns nil. Messages whose handling was cut short are
// handed out again, by this or another Consume of the same queue: several share
// the messages among them. The error is ErrInvalid of internal/store for a
// wrong name, or that the queue could not be opened.
//
// Each attempt that fails is followed by a longer rest. After the last, the
// message becomes a dead letter. A message counts as tried also when its
// consumer died over it.
func (q *Queues) Consume(ctx context.Context, tenant, name string, o ConsumerOptions, handle Handler) error {
	o.setDefaults()
	if !nameForm.MatchString(name) {
		return fmt.Errorf("queue %.80q: %w: it is no queue's name", name, store.ErrInvalid)
	}
	t, err := q.tenant(ctx, tenant)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	consumer, err := t.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: name, FilterSubject: store.Subject(kind, tenant) + live + name,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: o.Visibility, MaxDeliver: -1,
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("consume queue %s of tenant %s: %w", name, tenant, err)
	}
	c := &delivery{q: q, o: o, tenant: tenant, name: name, handle: handle}
	for ctx.Err() == nil {
		batch, err := c.fetch(ctx, consumer)
		if err != nil && ctx.Err() == nil {
			q.o.Logger.Info("cannot read a queue", "tenant", tenant, "queue", name, "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryAfter):
			}
		}
		if len(batch) > 0 {
			c.run(ctx, batch)
		}
	}
	return nil
}

// delivery is one Consume.
type delivery struct {
	q            *Queues
	o            ConsumerOptions
	tenant, name string
	handle       Handler
}

// fetch waits for a message, and takes what else there is at that moment.
func (c *delivery) fetch(ctx context.Context, consumer jetstream.Consumer) ([]jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, idleWait)
	defer cancel()
	first, err := consumer.Next(jetstream.FetchContext(wait))
	if err != nil {
		if errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages) || wait.Err() != nil {
			return nil, nil
		}
		return nil, err
	}
	batch := []jetstream.Msg{first}
	if c.o.Batch == 1 {
		return batch, nil
	}
	more, err := consumer.FetchNoWait(c.o.Batch - 1)
	if err != nil {
		return batch, nil // what is there is handled first
	}
	for m := range more.Messages() {
		batch = append(batch, m)
	}
	return batch, nil
}

// run hands the messages to the handler and settles each.
func (c *delivery) run(ctx context.Context, raw []jetstream.Msg) {
	var batch []Message
	var handed []jetstream.Msg
	for _, m := range raw {
		attempts := attemptsOf(m)
		if attempts > uint64(c.o.MaxAttempts) {
			c.bury(m, attempts-1, "its consumer died over it")
			continue
		}
		batch = append(batch, newMessage(c.name, m.Headers(), m.Data(), int(attempts)))
		handed = append(handed, m)
	}
	if len(batch) == 0 {
		return
	}
	stop := c.keepHidden(handed)
	err := c.call(ctx, batch)
	stop()
	for i, m := range handed {
		switch failed := failureOf(err, batch[i].ID); {
		case failed == nil:
			c.note(m.Ack())
		case ctx.Err() != nil:
			c.note(m.NakWithDelay(c.o.rest(1))) // cut short, not failed
		case batch[i].Attempts >= c.o.MaxAttempts:
			c.bury(m, uint64(batch[i].Attempts), failed.Error())
		default:
			c.note(m.NakWithDelay(c.o.rest(uint64(batch[i].Attempts))))
		}
	}
}

// call runs the handler. One that panics fails.
func (c *delivery) call(ctx context.Context, batch []Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.handle(ctx, batch)
}

// keepHidden tells JetStream that the messages are being worked on, until it
// is stopped.
func (c *delivery) keepHidden(batch []jetstream.Msg) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(c.o.Visibility / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			for _, m := range batch {
				c.note(m.InProgress())
			}
		}
	}()
	return func() { close(done); <-ended }
}

// bury makes a dead letter of a message. It is written first: at worst, it is
// there twice.
func (c *delivery) bury(m jetstream.Msg, attempts uint64, reason string) {
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, "?"))
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	letter := nats.NewMsg(store.Subject(kind, c.tenant) + dead + c.name)
	letter.Data = m.Data()
	for _, h := range []string{idHeader, sentHeader} {
		letter.Header.Set(h, m.Headers().Get(h))
	}
	letter.Header.Set(attemptsHeader, strconv.FormatUint(attempts, 10))
	letter.Header.Set(errorHeader, reason)
	if _, err := c.q.o.Data.JetStream().PublishMsg(ctx, letter, jetstream.WithMsgID(m.Headers().Get(idHeader))); err != nil {
		c.note(err)
		c.note(m.NakWithDelay(c.o.MaxBackoff))
		return
	}
	c.note(m.Ack())
}

// note logs what only delays a message: it is handed out again.
func (c *delivery) note(err error) {
	if err != nil {
		c.q.o.Logger.Info("cannot settle a message", "tenant", c.tenant, "queue", c.name, "error", err)
	}
}

func attemptsOf(m jetstream.Msg) uint64 {
	meta, err := m.Metadata()
	if err != nil {
		return 1
	}
	return meta.NumDelivered
}

func newMessage(queue string, h nats.Header, data []byte, attempts int) Message {
	m := Message{ID: h.Get(idHeader), Queue: queue, Value: data, Attempts: attempts}
	if ms, err := strconv.ParseInt(h.Get(sentHeader), 10, 64); err == nil {
		m.Sent = time.UnixMilli(ms)
	}
	return m
}
