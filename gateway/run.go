package gateway

import (
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
	runPath = tenantPath + "/run"
	// maxHappenings is how many lines of a run may wait for a slow client.
	maxHappenings = 2048
)

// runBody documents the body of a run.
type runBody struct {
	Code      string          `json:"code"`
	SourceMap json.RawMessage `json:"source_map,omitempty" doc:"The code's source map, an object of version 3 and at most 4 MiB"`
	Event     any             `json:"event,omitempty" doc:"Any JSON value. Default null"`
	Memory    json.RawMessage `json:"memory,omitempty" doc:"Like \"5MiB\", or a number of bytes"`
	Timeout   string          `json:"timeout,omitempty" example:"5s"`
	CPU       string          `json:"cpu,omitempty" example:"50ms" doc:"CPU time"`
	Policy    string          `json:"policy,omitempty" doc:"Holds beside the tenant's: what either denies is denied"`
}

// happening is one line of a run's answer: it has one member.
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

// run runs code once, and tells what happens as it happens.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	spec := supervisor.FunctionSpec{Tenant: r.PathValue("tenant")}
	leave, p := s.admit(w, r, spec.Tenant, "")
	if p != nil {
		p.write(w)
		return
	}
	defer leave()
	event := json.RawMessage("null")
	if !s.readMembers(w, r, 2*s.options.MaxCode+supervisor.MaxSourceMap+s.options.MaxEvent+deploySlack, "nothing was run", map[string]field{
		"code": stringField(&spec.Code), "source_map": objectField(&spec.SourceMap),
		"event":  func(raw json.RawMessage) error { event = raw; return nil },
		"memory": sizeField(&spec.Memory), "timeout": durationField(&spec.Timeout), "cpu": durationField(&spec.CPU),
		"policy": stringField(&spec.Policy),
	}) {
		return
	}
	if int64(len(spec.Code)) > s.options.MaxCode {
		requestProblem(http.StatusRequestEntityTooLarge, "the code is larger than "+FormatSize(s.options.MaxCode), "send less").write(w)
		return
	}

	ctx, cancel := s.untilShutdown(r.Context())
	defer cancel()
	happen := newHappenings()
	ended := make(chan struct{})
	var result supervisor.Result
	var err error
	go func() {
		defer close(ended)
		result, err = s.backend.Try(ctx, spec, value.Wire(event), supervisor.Watch{
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
	last := s.lastOf(spec, result, err)
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

// lastOf tells how a run ended.
func (s *Server) lastOf(spec supervisor.FunctionSpec, result supervisor.Result, err error) happening {
	if err != nil {
		p := s.problemOf(err, spec.Tenant, spec.Function).with(result, true)
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
			spec.Tenant, spec.Function).with(result, true)}
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

// happenings hands lines from the goroutines of a run to the one that writes
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
