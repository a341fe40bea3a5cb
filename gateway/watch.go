package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	watchPath = functionPath + "/watch"
	// maxHappenings is how many lines may wait for a slow client.
	maxHappenings = 2048
)

// happening is one line of the answer of a run and of a watched invocation: it
// has one member.
type happening struct {
	Log     *line           `json:"log,omitempty"`
	Verdict json.RawMessage `json:"verdict,omitempty" doc:"A decision about a host call, as the audit log has them"`
	Lost    uint64          `json:"lost,omitempty" doc:"How many lines before this one a slow client has missed"`
	Result  *runResult      `json:"result,omitempty" doc:"The last line, when the code returned"`
	Problem *problem        `json:"problem,omitempty" doc:"The last line, when it failed"`
}

type runResult struct {
	receipt
	Value       json.RawMessage `json:"value,omitempty" doc:"What it returned; left out when that has no JSON form"`
	CBOR        []byte          `json:"cbor,omitempty" doc:"The same without loss, as CBOR in base64; left out when it is too large"`
	DroppedLogs int             `json:"dropped_logs" doc:"Lines over the limit"`
	PID         int             `json:"pid" doc:"The sandbox process"`
}

// watch invokes a function, and tells what happens as it happens.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	query, ok := queryOf(w, r, "version")
	if !ok {
		return
	}
	if ref := query["version"]; ref != "" {
		function += "@" + ref
	}
	body, inCBOR, leave := s.takeEvent(w, r, tenant, function)
	if leave == nil {
		return
	}
	defer leave()
	event, err := readEvent(body, inCBOR)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	s.tellRun(w, r, tenant, function, func(ctx context.Context, watch supervisor.Watch) (supervisor.Result, error) {
		return s.backend.InvokeWatched(ctx, tenant, function, event, watch)
	})
}

// tellRun answers with what happens in an invocation. What fails before
// anything happens is answered as a problem.
func (s *Server) tellRun(w http.ResponseWriter, r *http.Request, tenant, function string, do func(context.Context, supervisor.Watch) (supervisor.Result, error)) {
	ctx, cancel := s.untilShutdown(r.Context())
	defer cancel()
	happen := newHappenings()
	ended := make(chan struct{})
	var result supervisor.Result
	var err error
	go func() {
		defer close(ended)
		result, err = do(ctx, supervisor.Watch{
			Log: func(l supervisor.Log) {
				happen.add(happening{Log: &line{Time: l.Time, Level: levelName(l.Level), Message: l.Message}})
			},
			Verdict: func(v []byte) { happen.add(happening{Verdict: v}) },
		})
		happen.end()
	}()
	out := newLineStream(w)
	for h := range happen.lines {
		if !out.begun {
			out.begin()
		}
		if out.tell(h) != nil {
			cancel() // the client has gone
		}
	}
	<-ended
	last := s.lastOf(tenant, function, result, err)
	if !out.begun && last.Problem != nil {
		last.Problem.write(w)
		return
	}
	if !out.begun {
		out.begin()
	}
	if n := happen.lost.Load(); n > 0 {
		_ = out.tell(happening{Lost: n})
	}
	_ = out.tell(last) // on failure nobody is left to tell
}

// lastOf tells how an invocation ended.
func (s *Server) lastOf(tenant, function string, result supervisor.Result, err error) happening {
	if err != nil {
		p := s.problemOf(err, tenant, function).with(result, true)
		p.Logs = nil // they have been told
		return happening{Problem: p}
	}
	out := &runResult{
		receipt: receiptBody(&result.Receipt), DroppedLogs: result.Dropped, PID: result.PID,
	}
	// Either form may be missing: a cycle has no JSON, and a value that JSON
	// holds may be over the bounds of CBOR.
	var noJSON, noCBOR error
	out.Value, noJSON = result.JSON()
	out.CBOR, noCBOR = value.ToCBOR(result.Wire)
	if noJSON != nil && noCBOR != nil {
		return happening{Problem: s.problemOf(&outcome.Error{Outcome: outcome.Output, Detail: "the result is too large, or too deep, to be shown", Remedy: "return less", Err: noCBOR},
			tenant, function).with(result, true)}
	}
	if noJSON != nil {
		out.Value = nil
	}
	return happening{Result: out}
}

// tell writes a line.
func (l *lineStream) tell(h happening) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return l.line(append(plainjson.Escape(text), '\n'))
}

// happenings hands lines from the goroutines of an invocation to the one that writes
// them, which may be slow.
type happenings struct {
	mu    sync.Mutex
	ended bool
	lines chan happening
	lost  atomic.Uint64
}

func newHappenings() *happenings { return &happenings{lines: make(chan happening, maxHappenings)} }

func (h *happenings) add(one happening) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return // of a host call that ended after its invocation
	}
	select {
	case h.lines <- one:
	default:
		h.lost.Add(1)
	}
}

func (h *happenings) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	close(h.lines)
}
