package supervisor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/audit"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/recordings"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// RecordSettings say which invocations of a function are recorded.
type RecordSettings struct {
	// Rate is the part of them, chosen at random: more than 0, at most 1.
	Rate float64
	// For is how long, from now: more than 0, at most MaxRecordTime.
	For time.Duration
}

// MaxRecordTime is the longest that RecordSettings.For may be.
const MaxRecordTime = 24 * time.Hour

// RecordingEntry is one recording of a list.
type RecordingEntry = recordings.Entry

// Recording is what an invocation saw, and what it did.
type Recording = recordings.Recording

// recorder writes recordings.
type recorder struct {
	store *recordings.Store
	busy  chan struct{}
}

func (s *Supervisor) openRecorder(dir string) error {
	store, err := recordings.Open(filepath.Join(dir, "recordings"))
	if err != nil {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Remedy: "make the data directory one that this user may write to", Err: err}
	}
	s.recorder = &recorder{store: store, busy: make(chan struct{}, 4)}
	return nil
}

// Record has invocations of a function recorded from now on, for a while; nil
// ends that. It is kept with the function, and holds after a restart. The error's
// outcome is Invalid for settings that are wrong and for a function with isolation
// warm, which is shown more than can be recorded.
func (s *Supervisor) Record(ctx context.Context, tenant, function string, set *RecordSettings) error {
	done, err := s.enter()
	if err != nil {
		return err
	}
	defer done()
	f, err := s.Function(tenant, function)
	if err != nil {
		return err
	}
	if set == nil {
		return s.keepRecording(ctx, tenant, function, nil)
	}
	var problems []outcome.Problem
	if !(set.Rate > 0 && set.Rate <= 1) {
		problems = append(problems, outcome.Problem{Field: "rate", Reason: fmt.Sprintf("it is %v; it must be more than 0 and at most 1", set.Rate)})
	}
	if set.For <= 0 || set.For > MaxRecordTime {
		problems = append(problems, outcome.Problem{Field: "for", Reason: fmt.Sprintf("it is %v; it must be more than 0 and at most %v", set.For, MaxRecordTime)})
	}
	if f.Isolation == Warm {
		problems = append(problems, outcome.Problem{Field: "function", Reason: "has isolation warm: what it keeps from earlier invocations cannot be recorded"})
	}
	if len(problems) > 0 {
		return &outcome.Error{Outcome: outcome.Invalid, Tenant: tenant, Function: function, Detail: "it cannot be recorded so", Problems: problems}
	}
	if err := s.keepRecording(ctx, tenant, function, &store.Recording{Rate: set.Rate, Until: time.Now().Add(set.For).UTC()}); err != nil {
		return err
	}
	s.log.Info("invocations are recorded", "tenant", tenant, "function", function, "rate", set.Rate, "for", set.For)
	return nil
}

func (s *Supervisor) keepRecording(ctx context.Context, tenant, function string, r *store.Recording) error {
	_, _, err := s.store.ChangeFunction(ctx, tenant, function, func(f *store.Function) error {
		if f.Updated.IsZero() {
			return s.lookupError(tenant, function, store.ErrNotFound) // deleted meanwhile
		}
		f.Recording = r
		return nil
	})
	if err != nil {
		return changeError(tenant, function, err)
	}
	return nil
}

// recorded tells whether this invocation is to be recorded.
func recorded(r *store.Recording) bool {
	return r != nil && mathrand.Float64() < r.Rate && time.Now().Before(r.Until)
}

// tape takes down what an invocation is shown and what it does. A nil tape takes
// nothing.
type tape struct {
	mu      sync.Mutex
	r       recordings.Recording
	byCall  map[uint32]int // places in r.Calls
	size    int
	ended   bool
	digests [2]string // of the code and of its source map
}

// newTape begins a recording, if the invocation is to have one. Bodies of HTTP
// requests and answers are in the calls that move them.
func (s *Supervisor) newTape(inv *invocation, f *store.Function, v *store.Version) *tape {
	if v.Isolation == string(Warm) || !recorded(f.Recording) {
		return nil
	}
	return &tape{digests: [2]string{v.Digest, v.SourceMap}, r: recordings.Recording{
		ID: inv.id, Tenant: v.Tenant, Function: v.Function, Version: v.Version, Started: inv.tally.start.UTC(),
		SourceMap: v.SourceMap, Memory: v.Memory, Timeout: v.Timeout, CPU: v.CPU, HTTP: inv.http != nil,
	}}
}

// begin takes what the sandbox is given, and has it report the course.
func (t *tape) begin(invoke *sandboxpb.Invoke) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // it never fails
	invoke.Seed, invoke.Record = seed, true
	t.r.Event, t.r.Seed, t.r.Refused, t.r.Policy = bytes.Clone(invoke.GetEvent()), seed, invoke.GetRefused(), invoke.GetPolicy()
	if t.r.HTTP {
		t.r.Event = shownEvent(t.r.Event)
	}
	t.r.Calls, t.byCall, t.size, t.r.Truncated = nil, make(map[uint32]int), 0, false
}

// room takes n bytes of what a recording may hold.
func (t *tape) room(n int) bool {
	const each = 64 // for a call as such
	if t.ended {
		return false
	}
	if t.size += n + each; t.size > recordings.MaxBytes {
		t.r.Truncated = true
	}
	return !t.r.Truncated
}

// called takes a host call.
func (t *tape) called(inv *invocation, c *sandboxpb.HostCall) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.room(len(c.GetArgs()) + len(c.GetData())) {
		return
	}
	t.byCall[c.GetCall()] = len(t.r.Calls)
	t.r.Calls = append(t.r.Calls, inv.shownCall(c))
}

// shownArgs are a call's arguments, as a recording may hold them.
func (inv *invocation) shownArgs(c *sandboxpb.HostCall) json.RawMessage {
	args, refusal, err := ipc.CheckHostCall(c)
	if err != nil || refusal != nil {
		return json.RawMessage(`["[not kept]"]`)
	}
	if r := inv.ruling(); r != nil {
		args = r.policy.Redact(c.GetApi(), args)
	}
	text, err := json.Marshal(args)
	if err != nil {
		return json.RawMessage(`["[not kept]"]`)
	}
	return text
}

// answered takes the answer to a host call.
func (t *tape) answered(r *sandboxpb.HostResult) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.byCall[r.GetCall()]
	if !known {
		return
	}
	a := &recordings.Answer{Value: r.GetValue(), Data: r.GetData()}
	if e := r.GetException(); e != nil {
		a.Exception, _ = proto.Marshal(e)
	}
	if t.room(len(a.Value) + len(a.Data) + len(a.Exception)) {
		t.r.Calls[at].Answer = a
	}
}

// finished takes the result's frame.
func (t *tape) finished(r *sandboxpb.Result) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Course = r.GetCourse()
	if len(t.r.Course) == 0 || len(t.r.Course) > 1<<20 {
		t.r.Course, t.r.Truncated = nil, true
	}
}

// returned takes what an invocation that answers an HTTP request returned.
func (t *tape) returned(wire value.Wire) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Result = shownAnswer(wire)
}

// keep writes the recording of an invocation that has ended, later.
func (t *tape) keep(inv *invocation, result *Result, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.ended = true
	t.r.Version, t.r.Outcome, t.r.Exception = result.Version, result.Outcome.String(), thrownLine(err)
	if err != nil || !t.r.HTTP {
		t.r.Result = bytes.Clone(result.Wire)
	}
	lines, dropped := inv.book.read()
	for _, l := range lines {
		t.r.Logs = append(t.r.Logs, recordings.Line{Level: l.Level.String(), Message: l.Message})
	}
	t.r.Truncated = t.r.Truncated || dropped > 0 || t.r.Course == nil
	t.mu.Unlock()
	s := inv.s
	select {
	case s.recorder.busy <- struct{}{}:
	default:
		return // there is more than can be written
	}
	s.background.Go(func() {
		defer func() { <-s.recorder.busy }()
		code, err := s.store.Code(context.Background(), t.r.Tenant, t.digests[0])
		if err == nil {
			t.r.Code = string(code)
			err = s.recorder.store.Put(&t.r)
		}
		if err != nil {
			s.log.LogAttrs(context.Background(), slog.LevelInfo, "a recording could not be kept", append(inv.where(), slog.Any("error", err))...)
		}
	})
}

// thrownLine is the first line of an exception, without its stack.
func thrownLine(err error) string {
	var e *outcome.Error
	if errors.As(err, &e) && e.Exception != nil {
		return e.Exception.String()
	}
	return ""
}

// Recordings lists a tenant's recordings, of one function or of all, the latest
// first.
func (s *Supervisor) Recordings(tenant, function string) ([]RecordingEntry, error) {
	if _, err := s.Tenant(tenant); err != nil {
		return nil, err
	}
	return s.recorder.store.List(tenant, function), nil
}

// ReadRecording returns a tenant's recording, and says so in the audit log.
func (s *Supervisor) ReadRecording(tenant, id string) (*Recording, error) {
	return s.recording(tenant, id, "recordings.read")
}

func (s *Supervisor) recording(tenant, id, action string) (*Recording, error) {
	r, err := s.recorder.store.Get(tenant, id)
	if err != nil {
		return nil, recordingError(tenant, err)
	}
	s.audit.Record(&audit.Entry{
		Time: time.Now(), Tenant: tenant, Function: r.Function, Invocation: r.ID, API: action, Action: "audit", Policy: "operator", Rule: "default",
	})
	return r, nil
}

// DeleteRecording deletes a tenant's recording.
func (s *Supervisor) DeleteRecording(tenant, id string) error {
	if err := s.recorder.store.Delete(tenant, id); err != nil || id == "" {
		return recordingError(tenant, err)
	}
	return nil
}

func recordingError(tenant string, err error) error {
	if err == nil || errors.Is(err, recordings.ErrNotFound) {
		return &outcome.Error{Outcome: outcome.NotFound, Tenant: tenant, Detail: recordings.ErrNotFound.Error(), Remedy: "see `supervisor recordings list`; recordings are kept for 7 days"}
	}
	return internal(tenant, "", "the recording cannot be read", err)
}
