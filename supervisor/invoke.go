package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/internal/activity"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// Result is what an invocation came to. Invoke returns it also beside an
// error, with what is known.
type Result struct {
	Receipt
	// Value is the JSON form of what the function returned, as JSON returns
	// it. InvokeValue leaves it empty.
	Value json.RawMessage `json:"value"`
	// Wire is what the function returned, without loss: value.Decode turns
	// it into Go values, value.ToCBOR into CBOR.
	Wire    value.Wire `json:"-"`
	Logs    []Log      `json:"logs"`
	Dropped int        `json:"dropped"` // log lines over the limit of 1,000 lines or 256 KiB
	PID     int        `json:"pid"`     // the sandbox process
}

// invocation is one request to run a function, through to its result.
type invocation struct {
	s                    *Supervisor
	id, tenant, function string
	ref                  string // which version is asked for, "" for what is live
	timeout              time.Duration
	cpu                  time.Duration                 // limit; 0 is none
	held                 *ruling                       // what its host calls are held against; nil: see ruling
	policy               atomic.Pointer[string]        // the function's own, "" for none
	runs                 atomic.Pointer[store.Version] // the one that runs; nil for what was not deployed
	sources              *translation                  // of the version that runs; nil without a source map
	book                 logbook
	seat                 *seat        // its place beside other tenants'; nil for none
	calls                int          // host calls made so far
	denied               atomic.Int64 // of these, how many the policy denied
	retry                atomic.Int64 // when to try again what was not available, in ns; 0 if all was
	// end ends it early; condemned is why, when that is for what it tried.
	end       context.CancelFunc
	condemned atomic.Pointer[outcome.Error]
	quotas    sync.Mutex
	spent     map[string]int64 // calls by rule, for rules that count them; guarded by quotas
	moved     atomic.Int64     // bytes that host calls have moved: see count
	tally     callTally
	tape      *tape   // nil when it is not recorded
	player    *player // nil when it is no replay

	watches []Watch // who looks on

	found  bool          // the function exists
	ran    time.Duration // in the sandbox
	http   *exchange     // nil unless it answers an HTTP request
	waited time.Duration // for a process and for the code
	span   trace.Span    // nil without tracing
	trace  string        // the id of its trace; "" without tracing
}

// emit takes a line of the invocation's log.
func (inv *invocation) emit(level slog.Level, message string) {
	line, ok := inv.book.add(level, message)
	if !ok {
		return
	}
	inv.publish(line)
	inv.told(line)
	if !inv.s.log.Enabled(context.Background(), min(level, slog.LevelInfo)) {
		return
	}
	inv.s.log.LogAttrs(context.Background(), min(level, slog.LevelInfo), "function log", append(inv.where(),
		slog.String("severity", level.String()), slog.String("message", line.Message))...)
}

// where says which invocation a line of the supervisor's log is about.
func (inv *invocation) where() []slog.Attr {
	attrs := []slog.Attr{slog.String("tenant", inv.tenant), slog.String("function", inv.function), slog.String("invocation", inv.id)}
	if inv.trace != "" {
		attrs = append(attrs, slog.String("trace", inv.trace))
	}
	return attrs
}

// Invoke runs a function with an event: a JSON value of at most 1 MiB, null
// when empty. "FUNCTION@REF" runs one of its versions: see Resolve for REF. The function's timeout starts when it begins to run in the
// sandbox; before that it may wait, in a line of Options.MaxQueue and at most
// for as long as its timeout, for one of its running invocations to end.
//
// The error's outcome is Exception, Deadline, CPU, Memory, Output or Policy when
// the function failed; Canceled when ctx ended; Crashed or Overloaded when
// trying again can help; NotFound, Invalid or TooLarge when the request is
// wrong.
func (s *Supervisor) Invoke(ctx context.Context, tenant, function string, event json.RawMessage) (Result, error) {
	if len(event) == 0 {
		event = json.RawMessage("null")
	} else if event[0] == 0 {
		event = json.RawMessage(" ") // a wire form is not JSON
	}
	return s.invokeIn(ctx, tenant, function, value.Wire(event), (*Result).setValue)
}

// InvokeValue is Invoke for any JavaScript value: the event is what
// value.Encode or value.FromCBOR made, at most 1 MiB of it; empty stands for
// undefined. The result is in Result.Wire alone.
func (s *Supervisor) InvokeValue(ctx context.Context, tenant, function string, event value.Wire) (Result, error) {
	return s.invokeIn(ctx, tenant, function, event, func(*Result) error { return nil })
}

// InvokeWatched is InvokeValue, and tells w what happens while it happens. When
// its process dies through no fault of the invocation, it begins anew: w is then
// told of both attempts, and Result.Logs holds the second's lines alone.
func (s *Supervisor) InvokeWatched(ctx context.Context, tenant, function string, event value.Wire, w Watch) (Result, error) {
	return s.invokeIn(ctx, tenant, function, event, func(*Result) error { return nil }, w)
}

func (s *Supervisor) invokeIn(ctx context.Context, tenant, function string, event value.Wire, finish func(*Result) error, asked ...Watch) (Result, error) {
	inv := s.newInvocation(tenant, function, asked...)
	ctx, inv.end = context.WithCancel(inv.startTrace(ctx))
	defer inv.end()
	result, err := s.invoke(ctx, inv, event)
	if err == nil {
		err = finish(&result)
	}
	return s.conclude(inv, result, err)
}

func (s *Supervisor) newInvocation(tenant, function string, asked ...Watch) *invocation {
	function, ref := splitRef(function)
	inv := &invocation{s: s, id: newID(), tenant: ipc.Clip(tenant, ipc.MaxName), function: ipc.Clip(function, ipc.MaxName), ref: ref}
	inv.watched(asked...)
	inv.tally.start = time.Now()
	return inv
}

// JSON returns the JSON form of what the function returned, "null" for
// undefined. A value that has none, or one that is too large, is the function's
// failure: the error's outcome is Exception or Output.
func (r *Result) JSON() (json.RawMessage, error) {
	text, err := value.ToJSON(r.Wire)
	switch {
	case errors.Is(err, value.ErrLimit), len(text) > ipc.MaxResult:
		return nil, &outcome.Error{Outcome: outcome.Output, Detail: fmt.Sprintf("its result is over %d bytes as JSON", ipc.MaxResult), Remedy: "return less, or ask for CBOR"}
	case errors.Is(err, value.ErrCircular):
		return nil, &outcome.Error{Outcome: outcome.Exception, Remedy: "return no cycles, or ask for CBOR",
			Exception: &outcome.Thrown{Name: "TypeError", Message: "the result contains itself, so it has no JSON form"}}
	}
	return text, err
}

func (r *Result) setValue() (err error) {
	r.Value, err = r.JSON()
	return err
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func (s *Supervisor) conclude(inv *invocation, result Result, err error) (Result, error) {
	result.Logs, result.Dropped = inv.book.read()
	if condemned := inv.condemned.Load(); condemned != nil {
		err = condemned
		result.Value, result.Wire = nil, nil
	}
	result.Outcome = outcome.Of(err)
	inv.tape.keep(inv, &result, err)
	if err != nil {
		err = inv.sources.err(inv.wrap(err))
	}
	result.Logs = inv.sources.logs(result.Logs)
	inv.file(&result.Receipt, err)
	s.stats.invoked(result.Outcome, result.Cold)
	s.measure(inv, &result)
	if inv.found {
		s.activity.Ended(inv.tenant, activity.Invocation{Outcome: result.Outcome, Duration: result.Duration, Cold: result.Cold}, time.Now())
	}
	inv.obituary(err, result.Dropped)
	inv.endTrace(&result, err)
	inv.finished(&result, err)
	return result, err
}

// wrap makes an *outcome.Error that names the function of any error.
func (inv *invocation) wrap(err error) error {
	var e *outcome.Error
	switch {
	case errors.As(err, &e):
		if e.Tenant == inv.tenant && e.Function == inv.function {
			return err
		}
		named := *e // it may be shared with others that wait for the same
		named.Tenant, named.Function = inv.tenant, inv.function
		return &named
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return contextError(inv.tenant, inv.function, err)
	}
	return internal(inv.tenant, inv.function, "the invocation failed", err)
}

func checkEventSize(event value.Wire) error {
	if len(event) > ipc.MaxEvent {
		return &outcome.Error{Outcome: outcome.TooLarge, Detail: fmt.Sprintf("the event has %d bytes; the most is %d", len(event), ipc.MaxEvent), Remedy: "send a reference to large data instead"}
	}
	return nil
}

func checkEvent(event value.Wire) error {
	if err := checkEventSize(event); err != nil {
		return err
	}
	switch {
	case !event.IsJSON():
		if _, err := value.Decode(event); err != nil {
			return &outcome.Error{Outcome: outcome.Invalid, Detail: "the event is no value", Problems: []outcome.Problem{{Field: "event", Reason: err.Error()}}}
		}
	case !utf8.Valid(event) || !json.Valid(event):
		return &outcome.Error{Outcome: outcome.Invalid, Detail: "the event is not JSON", Problems: []outcome.Problem{{Field: "event", Reason: jsonFault(event)}}}
	}
	return nil
}

func jsonFault(event value.Wire) string {
	var v json.RawMessage
	if err := json.Unmarshal(event, &v); err != nil {
		return err.Error()
	}
	return "it is not UTF-8"
}

// invoke runs a deployed function.
func (s *Supervisor) invoke(ctx context.Context, inv *invocation, event value.Wire) (result Result, err error) {
	done, err := s.enter()
	if err != nil {
		return result, err
	}
	defer done()
	check := checkEvent
	if inv.http != nil {
		check = checkEventSize // what it says is the supervisor's own
	}
	if err := check(event); err != nil {
		return result, err
	}
	f, v, judged, err := s.resolve(inv.tenant, inv.function, inv.ref)
	if err != nil {
		return result, err
	}
	if judged {
		defer func() {
			if inv.condemned.Load() != nil {
				err = inv.condemned.Load()
			}
			s.canaries.judge(f, outcome.Of(err))
		}()
	}
	inv.found = true
	inv.runs.Store(v)
	if err := s.admitCPU(inv.tenant, inv.function); err != nil {
		return result, err
	}
	if err := s.shedder.refuse(critical, inv.tenant, inv.function, "another invocation"); err != nil {
		return result, err
	}
	queued := time.Now()
	leave, err := s.gates.enter(ctx, inv.tenant, inv.function, v.Version, v.Concurrency, s.o.MaxQueue, v.Timeout)
	if result.Queued = time.Since(queued); result.Queued > noticeable {
		inv.traceWait(ctx, "queue", queued)
	}
	if err != nil {
		return result, err
	}
	defer leave()
	inv.seat, err = s.fair.enter(ctx, inv.tenant, inv.function, s.tierOf(inv.tenant).Weight, v.Timeout)
	result.Turn = time.Since(queued) - result.Queued
	result.Queued += result.Turn
	if err != nil {
		return result, err
	}
	defer inv.seat.leave()

	for again := false; ; again = true {
		// The function may have been deleted while this waited.
		current, err := s.store.Function(inv.tenant, inv.function)
		if err != nil {
			return result, s.lookupError(inv.tenant, inv.function, err)
		}
		result.Version, inv.timeout, inv.cpu = v.Version, v.Timeout, v.CPU
		inv.policy.Store(&v.Policy)
		inv.runs.Store(v)
		inv.sources = s.storedTranslation(v.Tenant, v.Function, v.SourceMap)
		inv.tape = s.newTape(inv, current, v)
		asked := time.Now()
		r, cold, err := s.pool.acquire(ctx, inv.tenant)
		if cold != "" {
			result.chill(cold)
			inv.waitedFor(ctx, "process", asked)
		}
		if err != nil {
			return result, err
		}
		err = r.invoke(ctx, inv, event, storedSettings(v), s.codeOf(v), &result)
		s.pool.release(r)
		switch {
		case !again && errors.Is(err, store.ErrNotFound): // deleted, as an old version, between two reads
			if _, v, _, err = s.resolve(inv.tenant, inv.function, inv.ref); err != nil {
				return result, err
			}
		case !again && errors.Is(err, errLost) && inv.blameless(r.process):
			s.stats.retried()
			inv.book.reset()
			result.chill(coldAfter(r.process))
		case errors.Is(err, errLost):
			return result, inv.lost(r.process)
		default:
			return result, err
		}
	}
}

func storedSettings(v *store.Version) settings {
	return settings{v.Function, v.Version, v.Digest, v.Memory, v.Timeout, v.CPU, v.Concurrency, Isolation(v.Isolation), true}
}

// invoke runs an invocation in a process, once. errLost means that the process
// died meanwhile.
func (r *resident) invoke(ctx context.Context, inv *invocation, event value.Wire, f settings, code func(context.Context) (string, error), result *Result) error {
	result.PID = r.PID()
	asked := time.Now()
	v, waited, err := r.load(ctx, f, code)
	if waited {
		result.chill(ColdNotLoaded)
		inv.waitedFor(ctx, "load", asked)
	}
	var e *outcome.Error
	if errors.As(err, &e) && e.Outcome == outcome.Invalid {
		// It passed its deploy: what fails now is the function's doing, not
		// the request's.
		failed := *e
		failed.Outcome = outcome.Exception
		return &failed
	}
	if err != nil {
		return err
	}
	defer r.unuse(v)
	if err := ctx.Err(); err != nil {
		return err
	}
	sl, err := r.slot(inv)
	if err != nil {
		return err
	}
	running, ran := inv.traceRun(ctx)
	rn, began := r.begin(inv, inv.cpu), time.Now()
	frame, o, err := sl.run(running, inv, v.key, event, rn)
	most := rn.end()
	ran()
	inv.ran = time.Since(began)
	if err != nil {
		if _, culprit := r.why(); culprit == inv {
			result.CPU = min(most, r.CPU()) // nobody tells how much of it was its own
		}
		return err
	}
	if frame.GetNewInstance() {
		result.chill(ColdNoInstance)
	}
	result.used(frame, most, f.Memory)
	if o == outcome.OK {
		result.Wire = frame.GetValue()
		return nil
	}
	return inv.failure(ctx, o, frame, f)
}

// failure makes the error of an invocation that ended, but not well.
func (inv *invocation) failure(ctx context.Context, o outcome.Outcome, frame *sandboxpb.Result, f settings) error {
	e := &outcome.Error{Outcome: o, Tenant: inv.tenant, Function: inv.function, Exception: ipc.Thrown(frame.GetException())}
	detail := ipc.Clip(frame.GetDetail(), ipc.MaxDetail)
	switch o {
	case outcome.Exception:
		if e.Exception == nil {
			e.Exception = &outcome.Thrown{Name: "Error", Message: detail}
		}
		if e.Exception.Name == ipc.PermissionError && inv.denied.Load() > 0 {
			e.Outcome, e.Remedy = outcome.Policy, "allow the API in the tenant's policy, or catch the PermissionError"
		}
		if retry := time.Duration(inv.retry.Load()); e.Exception.Name == ipc.UnavailableError && retry > 0 {
			e.Outcome, e.RetryAfter = outcome.Overloaded, retry
			e.Detail, e.Remedy = "a platform API is not available at the moment", "invoke it again later, or catch the UnavailableError"
		}
	case outcome.Deadline:
		e.Detail, e.Remedy = fmt.Sprintf("it ran past its timeout of %v", f.Timeout), "raise the function's timeout, or do less"
	case outcome.CPU:
		if f.CPU == 0 {
			e.Outcome, e.Detail = outcome.Internal, "the sandbox ended it for a limit that it has not"
			break
		}
		e.Detail, e.Remedy = fmt.Sprintf("it used up its %v of CPU time", f.CPU), "raise the function's cpu, or compute less"
	case outcome.Memory:
		e.Detail, e.Remedy = fmt.Sprintf("it ran out of its %s of memory", formatBytes(f.Memory)), "raise the function's memory, or hold less"
	case outcome.Output:
		e.Detail, e.Remedy = fmt.Sprintf("its result is over %d bytes", ipc.MaxResult), "return less"
	case outcome.Canceled:
		if ctx.Err() != nil {
			return contextError(inv.tenant, inv.function, ctx.Err())
		}
		e.Outcome, e.Detail = outcome.Internal, "the sandbox canceled it unasked"
	case outcome.Crashed:
		e.Detail = "its instance broke down"
		if detail != "" {
			e.Detail += ": " + detail
		}
	default:
		e.Outcome, e.Detail = outcome.Internal, "the sandbox could not run it"
		e.Err = errors.New(detail)
	}
	return e
}

// blameless reports whether an invocation whose process has died can be run
// again unseen: another one was the reason, and this one had no effect yet.
func (inv *invocation) blameless(p *process) bool {
	why, culprit := p.why()
	return culprit != inv && inv.calls == 0 && !inv.http.touched() && (why == causeDeadline || why == causeCPU || why == causeCanceled || why == causeViolation)
}

// lost makes the error of an invocation whose process has died.
func (inv *invocation) lost(p *process) error {
	e := &outcome.Error{Outcome: outcome.Crashed, Tenant: inv.tenant, Function: inv.function}
	why, culprit := p.why()
	switch {
	case why == causeDeadline && culprit == inv:
		e.Outcome, e.Detail = outcome.Deadline, fmt.Sprintf("it ran past its timeout of %v and did not stop, so its process was killed", inv.timeout)
		e.Remedy = "raise the function's timeout, or do less"
	case why == causeCPU && culprit == inv:
		e.Outcome, e.Detail = outcome.CPU, fmt.Sprintf("it used up its %v of CPU time and did not stop, so its process was killed", inv.cpu)
		e.Remedy = "raise the function's cpu, or compute less"
	case why == causeMemory:
		e.Outcome, e.Detail = outcome.Memory, fmt.Sprintf("its process was killed for memory: all of the tenant's instances together may take %s", formatBytes(p.mostMemory.Load()))
		e.Remedy = "hold less at once, lower the functions' concurrency or memory, or have the operator raise the tier's process_memory"
	case why == causeCanceled && culprit == inv:
		return contextError(inv.tenant, inv.function, context.Canceled)
	case why == causeClosed:
		e.Outcome, e.Detail, e.RetryAfter = outcome.Overloaded, "the supervisor is closing", retryAfter
	case why == causeDeleted:
		e.Outcome, e.Detail = outcome.NotFound, "its tenant has been deleted"
	case why == causeViolation:
		e.Detail = "its sandbox process broke the protocol and was killed"
	case why == causeCrash && p.lacksThread.Load():
		e.Outcome, e.Detail, e.RetryAfter = outcome.Overloaded, "its sandbox process died for want of a thread: the machine, or its user, has as many as there may be", retryAfter
	case why == causeCrash:
		e.Detail = "its sandbox process died: " + p.How()
	default:
		e.Detail, e.Remedy = "its sandbox process was killed for another invocation's sake", "try again"
	}
	return e
}
