package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
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
	maxReplayBody  = 12 << 20 // code of 3 MiB with a source map of 4 MiB, escaped
)

func (s *Server) routeRecordings(mux *router, api huma.API) {
	mux.HandleFunc("PUT "+recordPath, s.record)
	mux.HandleFunc("POST "+replayPath, s.replay)
	huma.Register(api, operation("end-recording", http.MethodDelete, recordPath, "Record a function no more"), s.endRecording)
	huma.Register(api, operation("list-recordings", http.MethodGet, recordingsPath, "List a tenant's recordings, the latest first"), s.listRecordings)
	huma.Register(api, operation("get-recording", http.MethodGet, recordingPath, "Show a recording"), s.getRecording)
	huma.Register(api, operation("delete-recording", http.MethodDelete, recordingPath, "Delete a recording"), s.deleteRecording)
}

// describeRecordings adds what plain handlers serve.
func describeRecordings(doc *huma.OpenAPI) {
	content := func(v any) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: doc.Components.Schemas.Schema(reflect.TypeOf(v), true, "")}}
	}
	path := func(names ...string) (params []*huma.Param) {
		for _, name := range names {
			params = append(params, &huma.Param{Name: name, In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
		}
		return params
	}
	record := operation("record-function", http.MethodPut, recordPath, "Record invocations of a function, for a while")
	record.Parameters = path("tenant", "function")
	record.RequestBody = &huma.RequestBody{Required: true, Content: content(recordBody{})}
	record.Responses = map[string]*huma.Response{"204": {Description: "Done"}}
	replay := operation("replay-recording", http.MethodPost, replayPath, "Run a recorded invocation again, on its recorded effects")
	replay.Parameters = path("tenant", "recording")
	replay.RequestBody = &huma.RequestBody{Required: true, Content: content(replayBody{})}
	replay.Responses = map[string]*huma.Response{"200": {Description: "What it came to", Content: content(replayed{})}}
	doc.AddOperation(&record)
	doc.AddOperation(&replay)
}

// recordBody and replayBody document bodies.
type (
	recordBody struct {
		Rate float64 `json:"rate" doc:"The part of the invocations that is recorded: more than 0, at most 1"`
		For  string  `json:"for" doc:"How long, like 10m; at most 24h"`
	}
	replayBody struct {
		Code      string         `json:"code,omitempty" doc:"To run in place of the recorded code"`
		SourceMap map[string]any `json:"source_map,omitempty" doc:"Of the code"`
	}
)

func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	var set supervisor.RecordSettings
	if !s.readMembers(w, r, maxSettings, "it cannot be recorded so", map[string]field{"rate": partField(&set.Rate), "for": durationField(&set.For)}) {
		return
	}
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	s.done(w, s.backend.Record(r.Context(), tenant, function, &set), tenant, function)
}

func partField(into *float64) field {
	return func(raw json.RawMessage) error {
		if err := json.Unmarshal(raw, into); err != nil {
			return errors.New("is not a number")
		}
		return nil
	}
}

func (s *Server) endRecording(ctx context.Context, in *functionInput) (*struct{}, error) {
	if err := s.backend.Record(ctx, in.Tenant, in.Function, nil); err != nil {
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

// replayed is what a replay came to.
type replayed struct {
	Same       bool                   `json:"same" doc:"It took the same course"`
	Difference *supervisor.Divergence `json:"difference,omitempty" doc:"The first"`
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

func (s *Server) replay(w http.ResponseWriter, req *http.Request) {
	var given supervisor.ReplayCode
	if !s.readMembers(w, req, maxReplayBody, "it cannot be replayed so", map[string]field{"code": stringField(&given.Code), "source_map": objectField(&given.SourceMap)}) {
		return
	}
	code, tenant := &given, req.PathValue("tenant")
	if given.Code == "" {
		code = nil
	}
	r, err := s.backend.Replay(req.Context(), tenant, req.PathValue("recording"), code)
	if err != nil {
		s.problemOf(err, tenant, "").write(w)
		return
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
	writeJSON(w, http.StatusOK, "application/json", body)
}
