package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/recordings"
	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// ReplayCode is code to run in place of the recorded one's.
type ReplayCode struct {
	Code      string
	SourceMap string // or empty
}

// Replayed is what a replay came to.
type Replayed struct {
	Recording *Recording
	// Same says that it took the same course: the same host calls with the same
	// arguments in the same order, the same log, the same result. Where the
	// recording is truncated that is said of what it has.
	Same bool
	// Difference is the first; nil when there is none.
	Difference *Divergence
	// Unanswered is how many calls it made that the recording has no answer to.
	Unanswered int
	// Result is what it came to; Err is why it failed, if it did. Exceptions and
	// logs are in source lines.
	Result Result
	Err    error
}

// Divergence is where a replay left the recorded course.
type Divergence struct {
	// What is "call", "log", "result" or "outcome", Index which of the calls or
	// lines, from 0.
	What  string `json:"what"`
	Index int    `json:"index"`
	// Recorded and Replayed say what there was; empty for nothing.
	Recorded string `json:"recorded"`
	Replayed string `json:"replayed"`
	// At is where in the replayed code, like "cart.ts:12:5": of the call that was
	// made, or of the exception that ended the replay; "" when that is not known.
	At string `json:"at,omitempty"`
}

// player answers the host calls of a replay.
type player struct {
	r          *recordings.Recording
	made       int
	used       []bool
	difference *Divergence
	unanswered int
	site       string // of the call that is being looked at
	responded  bool   // the answer to the HTTP request has been begun
}

// Replay runs a recorded invocation again, in a sandbox process of its own that
// reaches nothing: its host calls are answered from the recording. code, if not
// nil, runs in place of the recorded code. An error means that it could not be
// run; how it ended is in Replayed. The audit log says that it was done.
func (s *Supervisor) Replay(ctx context.Context, tenant, id string, code *ReplayCode) (*Replayed, error) {
	done, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer done()
	rec, err := s.recording(tenant, id, "recordings.replay")
	if err != nil {
		return nil, err
	}
	if err := s.shedder.refuse(critical, tenant, rec.Function, "a replay"); err != nil {
		return nil, err
	}
	f := FunctionSpec{Tenant: tenant, Function: rec.Function, Code: rec.Code, Memory: rec.Memory, Timeout: rec.Timeout, CPU: rec.CPU, Concurrency: 1, Isolation: Fresh}
	inv := &invocation{s: s, id: newID(), tenant: tenant, function: rec.Function, timeout: rec.Timeout, cpu: rec.CPU}
	inv.tally.start = time.Now()
	inv.policy.Store(&rec.Policy)
	inv.sources = s.storedTranslation(tenant, rec.Function, rec.SourceMap)
	inv.player = &player{r: rec, used: make([]bool, len(rec.Calls))}
	set := settingsOf(f, &store.Version{Version: rec.Version})
	if code != nil {
		f.Code, f.SourceMap = code.Code, code.SourceMap
		var problems []outcome.Problem
		inv.sources, problems = specTranslation(f)
		if problems = append(problems, s.inspect(f, s.tierOf(tenant))...); len(problems) > 0 {
			return nil, invalid(f, problems)
		}
	} else if stored, err := s.store.Function(tenant, rec.Function); err == nil {
		if v := stored.Version(rec.Version); v != nil {
			set.digest, set.stored = v.Digest, true // its snapshot holds what its top level saw
		}
	}
	ctx, inv.end = context.WithCancel(ctx)
	defer inv.end()
	r, err := s.pool.assign(tenant)
	if err != nil {
		return nil, err
	}
	defer r.kill(causeSpent, nil)
	r.serves = func(string, string) bool { return true }
	out := &Replayed{Recording: rec}
	out.Result.Version = rec.Version
	source := func(context.Context) (string, error) { return f.Code, nil }
	v, _, err := r.load(ctx, set, source)
	if err != nil {
		return nil, inv.sources.err(inv.wrap(err))
	}
	r.unuse(v)
	event := value.Wire(rec.Event)
	if rec.HTTP {
		if event, err = eventOf(rec.Event); err != nil {
			return nil, internal(tenant, rec.Function, "the replay failed", err)
		}
	}
	err = r.invoke(ctx, inv, event, set, source, &out.Result)
	if errors.Is(err, errLost) {
		err = inv.lost(r.process)
	}
	if ctx.Err() != nil {
		return nil, contextError(tenant, rec.Function, ctx.Err())
	}
	if err == nil && rec.HTTP {
		answer := out.Result.Wire
		out.Result.Wire = nil
		if !inv.player.responded {
			_, err = whole(answer)
		}
		if err == nil {
			out.Result.Wire = shownAnswer(answer)
		}
	}
	out.Result.Logs, out.Result.Dropped = inv.book.read()
	out.Difference, out.Unanswered = inv.player.judge(&out.Result, err), inv.player.unanswered
	out.Same = out.Difference == nil
	out.Result.Invocation, out.Result.Outcome, out.Result.Started = inv.id, outcome.Of(err), inv.tally.start
	out.Result.Duration, out.Result.Calls = time.Since(inv.tally.start), inv.tally.read()
	out.Result.Logs = inv.sources.logs(out.Result.Logs)
	if err != nil {
		out.Err = inv.sources.err(inv.wrap(err))
		out.Difference.blame(out.Err)
	}
	return out, nil
}

// blame says where the exception was thrown that ended a replay, if that is what
// the difference is, or why there was nothing more.
func (d *Divergence) blame(err error) {
	var e *outcome.Error
	if d == nil || d.Replayed != "" && d.What != "outcome" || !errors.As(err, &e) || e.Exception == nil {
		return
	}
	frame, _, _ := strings.Cut(e.Exception.Stack, "\n")
	d.At = placeOf(frame)
}

// begin gives the sandbox what the recorded invocation was given.
func (p *player) begin(invoke *sandboxpb.Invoke) {
	if p == nil {
		return
	}
	invoke.Seed, invoke.Course, invoke.Refused, invoke.Policy, invoke.Http = p.r.Seed, p.r.Course, p.r.Refused, p.r.Policy, p.r.HTTP
}

// play answers a host call of a replay.
func (t *turn) play(c *sandboxpb.HostCall) error {
	if c.GetCall() <= t.latest {
		return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("call %d comes after call %d", c.GetCall(), t.latest)}
	}
	t.latest = c.GetCall()
	if _, _, ok, err := ipc.CheckControl(c); err != nil {
		return err
	} else if !ok {
		if _, _, err := ipc.CheckHostCall(c); err != nil {
			return err
		}
		if t.r.s.apis[c.GetApi()] == nil {
			return &ipc.Violation{Frame: "HostCall", Reason: fmt.Sprintf("there is no API %q", ipc.Clip(c.GetApi(), ipc.MaxName))}
		}
		if t.counted() != nil && !c.GetRefused() {
			t.answer(c.GetCall(), c.GetApi(), nil, errTooManyCalls)
			return nil
		}
		t.inv.tally.begin(c.GetApi())
		defer t.inv.tally.end(c.GetApi(), false)
	}
	t.inv.player.site = t.inv.sources.at(c.GetSite())
	result := t.inv.player.answer(t.inv.shownCall(c))
	if c.GetApi() == string(ipc.HTTPRespond) && result.GetException() == nil {
		t.inv.player.responded = true
	}
	if result != nil && !c.GetRefused() {
		result.Invocation, result.Call = t.number, c.GetCall()
		t.put(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_HostResult{HostResult: result}})
	}
	return nil
}

// answer finds the answer to a call: that of the recorded call in its place, or
// else of the first like it that has not been used. Nil leaves it unanswered, as
// it was.
func (p *player) answer(c recordings.Call) *sandboxpb.HostResult {
	index := p.made
	p.made++
	at := -1
	if index < len(p.r.Calls) && !p.used[index] && like(&p.r.Calls[index], &c) {
		at = index
	} else {
		if !(index >= len(p.r.Calls) && p.r.Truncated) {
			recorded := ""
			if index < len(p.r.Calls) {
				recorded = callText(&p.r.Calls[index])
			}
			p.differ("call", index, recorded, callText(&c))
		}
		for i := range p.r.Calls {
			if !p.used[i] && like(&p.r.Calls[i], &c) {
				at = i
				break
			}
		}
	}
	if at >= 0 {
		p.used[at] = true
		if a := p.r.Calls[at].Answer; a != nil {
			result := &sandboxpb.HostResult{Value: a.Value, Data: a.Data}
			if a.Exception == nil {
				return result
			}
			e := &sandboxpb.Exception{}
			if proto.Unmarshal(a.Exception, e) == nil {
				return &sandboxpb.HostResult{Exception: e}
			}
		} else if !p.r.Truncated {
			return nil
		}
	}
	p.unanswered++
	return &sandboxpb.HostResult{Exception: ipc.NewException("ReplayError", c.API+": the recording has no answer to this call", map[string]any{"api": c.API})}
}

func like(a, b *recordings.Call) bool {
	return a.API == b.API && a.Refused == b.Refused && bytes.Equal(a.Args, b.Args) && bytes.Equal(a.Data, b.Data)
}

func (p *player) differ(what string, index int, recorded, replayed string) {
	if p.difference == nil {
		p.difference = &Divergence{What: what, Index: index, Recorded: recorded, Replayed: replayed}
		if what == "call" && replayed != "" {
			p.difference.At = p.site
		}
	}
}

// callText shows a call.
func callText(c *recordings.Call) string {
	args := bytes.TrimSuffix(bytes.TrimPrefix(c.Args, []byte("[")), []byte("]"))
	text := c.API + "(" + ipc.Clip(string(args), maxAuditArgs) + ")"
	if len(c.Data) > 0 {
		text += fmt.Sprintf(" with %d bytes", len(c.Data))
	}
	return text
}

// judge compares what is left when the replay has ended.
func (p *player) judge(r *Result, err error) *Divergence {
	if p.made < len(p.r.Calls) {
		p.differ("call", p.made, callText(&p.r.Calls[p.made]), "")
	}
	if p.r.Truncated {
		return p.difference // how it went on is not known
	}
	for i := range max(len(r.Logs), len(p.r.Logs)) {
		var recorded, replayed string
		if i < len(p.r.Logs) {
			recorded = p.r.Logs[i].Level + " " + p.r.Logs[i].Message
		}
		if i < len(r.Logs) {
			replayed = r.Logs[i].Level.String() + " " + r.Logs[i].Message
		}
		if recorded != replayed {
			p.differ("log", i, recorded, replayed)
		}
	}
	was, is := p.r.Outcome, outcome.Of(err).String()
	if line := thrownLine(err); was != is || line != p.r.Exception {
		p.differ("outcome", 0, trimmed(was, p.r.Exception), trimmed(is, line))
	}
	if !bytes.Equal(r.Wire, p.r.Result) {
		p.differ("result", 0, resultText(p.r.Result), resultText(r.Wire))
	}
	return p.difference
}

func trimmed(o, exception string) string {
	if exception != "" {
		return o + ": " + exception
	}
	return o
}

func resultText(w value.Wire) string {
	text, err := value.ToJSON(w)
	if err != nil {
		return fmt.Sprintf("a value of %d bytes that has no JSON form", len(w))
	}
	return ipc.Clip(string(text), maxAuditArgs)
}
