package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	recordPath     = functionPath + "/recording"
	recordingsPath = tenantPath + "/recordings"
	recordingPath  = recordingsPath + "/{recording}"
	replayPath     = recordingPath + "/replay"
)

func (s *Server) routeRecordings(api huma.API) {
	put := operation("record-function", http.MethodPut, recordPath, "Record invocations of a function, for a while")
	put.DefaultStatus = http.StatusNoContent
	huma.Register(api, put, s.record)
	huma.Register(api, operation("end-recording", http.MethodDelete, recordPath, "Record a function no more"), s.endRecording)
	huma.Register(api, operation("list-recordings", http.MethodGet, recordingsPath, "List a tenant's recordings, the latest first"), s.listRecordings)
	huma.Register(api, operation("get-recording", http.MethodGet, recordingPath, "Show a recording"), s.getRecording)
	huma.Register(api, operation("delete-recording", http.MethodDelete, recordingPath, "Delete a recording"), s.deleteRecording)
	replay := operation("replay-recording", http.MethodPost, replayPath, "Run a recorded invocation again, on its recorded effects")
	replay.MaxBodyBytes = 8 << 20
	huma.Register(api, replay, s.replay)
}

type recordInput struct {
	functionInput
	Body struct {
		Rate float64 `json:"rate" doc:"The part of the invocations that is recorded: more than 0, at most 1"`
		For  string  `json:"for" doc:"How long, like 10m; at most 24h"`
	}
}

func (s *Server) record(_ context.Context, in *recordInput) (*struct{}, error) {
	d, err := time.ParseDuration(in.Body.For)
	if err != nil {
		err = &outcome.Error{Outcome: outcome.Invalid, Detail: "it cannot be recorded so", Problems: []outcome.Problem{{Field: "for", Reason: fmt.Sprintf("%q is not a duration like 10m", in.Body.For)}}}
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	if err := s.backend.Record(in.Tenant, in.Function, &supervisor.RecordSettings{Rate: in.Body.Rate, For: d}); err != nil {
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	return nil, nil
}

func (s *Server) endRecording(_ context.Context, in *functionInput) (*struct{}, error) {
	if err := s.backend.Record(in.Tenant, in.Function, nil); err != nil {
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	return nil, nil
}

type recordingEntry struct {
	ID       string    `json:"id" doc:"The invocation's"`
	Tenant   string    `json:"tenant"`
	Function string    `json:"function"`
	Time     time.Time `json:"time"`
	Size     int64     `json:"size_bytes"`
}

type recordingsInput struct {
	Tenant   string `path:"tenant" doc:"Lower-case letters, digits and dashes; at most 63" example:"acme"`
	Function string `query:"function" doc:"Of this function only"`
}

type recordingsOutput struct {
	Body struct {
		Recordings []recordingEntry `json:"recordings"`
	}
}

func (s *Server) listRecordings(_ context.Context, in *recordingsInput) (*recordingsOutput, error) {
	list, err := s.backend.Recordings(in.Tenant, in.Function)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, in.Function)
	}
	out := &recordingsOutput{}
	out.Body.Recordings = []recordingEntry{}
	for _, e := range list {
		out.Body.Recordings = append(out.Body.Recordings, recordingEntry{e.ID, e.Tenant, e.Function, e.Time.UTC(), e.Size})
	}
	return out, nil
}

type recordingInput struct {
	Tenant    string `path:"tenant" doc:"Lower-case letters, digits and dashes; at most 63" example:"acme"`
	Recording string `path:"recording" doc:"The invocation's id"`
}

type recordingOutput struct {
	Body json.RawMessage
}

func (s *Server) getRecording(_ context.Context, in *recordingInput) (*recordingOutput, error) {
	r, err := s.backend.ReadRecording(in.Tenant, in.Recording)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, r.Function)
	}
	return &recordingOutput{plainjson.Escape(text)}, nil
}

func (s *Server) deleteRecording(_ context.Context, in *recordingInput) (*struct{}, error) {
	if err := s.backend.DeleteRecording(in.Tenant, in.Recording); err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	return nil, nil
}

type replayInput struct {
	recordingInput
	Body *struct {
		Code      string          `json:"code,omitempty" doc:"To run in place of the recorded code"`
		SourceMap json.RawMessage `json:"source_map,omitempty" doc:"Of the code"`
	} `required:"false"`
}

type replayOutput struct{ Body replayed }

// replayed is what a replay came to.
type replayed struct {
	Same       bool                   `json:"same" doc:"It took the same course"`
	Difference *supervisor.Difference `json:"difference,omitempty" doc:"The first"`
	Unanswered int                    `json:"unanswered" doc:"Host calls that the recording has no answer to"`
	Truncated  bool                   `json:"truncated" doc:"The recording is not whole: what it has was compared"`
	Function   string                 `json:"function"`
	Version    string                 `json:"version" doc:"That was recorded"`
	Recorded   string                 `json:"recorded_outcome"`
	Outcome    string                 `json:"outcome"`
	Value      json.RawMessage        `json:"value,omitempty" doc:"What the function returned, if that has a JSON form"`
	Detail     string                 `json:"detail,omitempty" doc:"Why it failed"`
	Exception  *outcome.Thrown        `json:"exception,omitempty"`
	Logs       []line                 `json:"logs"`
}

func (s *Server) replay(ctx context.Context, in *replayInput) (*replayOutput, error) {
	var code *supervisor.ReplayCode
	if in.Body != nil && strings.TrimSpace(in.Body.Code) != "" {
		code = &supervisor.ReplayCode{Code: in.Body.Code}
		if len(in.Body.SourceMap) > 0 && string(in.Body.SourceMap) != "null" {
			code.SourceMap = string(in.Body.SourceMap)
		}
	}
	r, err := s.backend.Replay(ctx, in.Tenant, in.Recording, code)
	if err != nil {
		return nil, s.problemOf(err, in.Tenant, "")
	}
	body := replayed{
		Same: r.Same, Difference: r.Difference, Unanswered: r.Unanswered, Truncated: r.Recording.Truncated, Function: r.Recording.Function, Version: r.Recording.Version,
		Recorded: r.Recording.Outcome, Outcome: r.Result.Outcome.String(), Logs: lines(r.Result.Logs),
	}
	var e *outcome.Error
	if errors.As(r.Err, &e) {
		body.Detail, body.Exception = e.Detail, e.Exception
	} else if v, err := r.Result.JSON(); err == nil {
		body.Value = v
	}
	return &replayOutput{body}, nil
}
