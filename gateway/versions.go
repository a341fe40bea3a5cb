package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	versionsPath      = functionPath + "/versions"
	versionPath       = versionsPath + "/{version}"
	versionInvokePath = versionPath + "/invoke"
	diffPath          = functionPath + "/diff"
	rollbackPath      = functionPath + "/rollback"
	aliasPath         = functionPath + "/aliases/{alias}"
	splitPath         = functionPath + "/split"
)

func (s *Server) routeVersions(mux *router) {
	mux.HandleFunc("GET "+versionsPath, s.listVersions)
	mux.HandleFunc("GET "+versionPath, s.getVersion)
	mux.HandleFunc("POST "+versionInvokePath, s.invoke)
	mux.HandleFunc("GET "+diffPath, s.diff)
	mux.HandleFunc("POST "+rollbackPath, s.rollback)
	mux.HandleFunc("PUT "+aliasPath, s.putAlias)
	mux.HandleFunc("DELETE "+aliasPath, s.deleteAlias)
	mux.HandleFunc("PUT "+splitPath, s.putSplit)
	mux.HandleFunc("DELETE "+splitPath, s.deleteSplit)
}

// version is one version of a function as the API shows it.
type version struct {
	function
	CodeDigest        string   `json:"code_digest" doc:"SHA-256 of the code"`
	PolicyDigest      string   `json:"policy_digest,omitempty" doc:"SHA-256 of the policy as it was at the deploy; the one that has the name now holds"`
	EnvironmentDigest string   `json:"environment_digest,omitempty" doc:"SHA-256 of the variables; without it, those that are set now hold"`
	AssetsDigest      string   `json:"assets_digest,omitempty" doc:"SHA-256 of the static files"`
	Secrets           []string `json:"secrets" doc:"The tenant's secrets that the code mentions"`
	MissingSecrets    []string `json:"missing_secrets,omitempty" doc:"Those of them that do not exist any more"`
	Aliases           []string `json:"aliases"`
	Weight            int      `json:"weight" doc:"Share of the invocations that ask for no version, in percent"`
	Code              string   `json:"code,omitempty" doc:"With ?code=1"`
	SourceMap         string   `json:"source_map,omitempty" doc:"With ?code=1"`
}

type versionsBody struct {
	Versions []version `json:"versions" doc:"The newest first"`
	Previous string    `json:"previous,omitempty" doc:"The version that was live before"`
	Split    *split    `json:"split,omitempty"`
	History  []change  `json:"history" doc:"What has become of what is live, the newest last"`
}

type change struct {
	At      time.Time `json:"at"`
	What    string    `json:"what" enum:"deploy,rollback,alias,environment,split,split ended,automatic rollback"`
	Version string    `json:"version,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// split is a split as the API shows it.
type split struct {
	Weights     map[string]int `json:"weights" doc:"Shares in percent, by version"`
	Rollback    *rollbackRule  `json:"rollback,omitempty"`
	Started     time.Time      `json:"started"`
	Invocations int            `json:"invocations" doc:"Of the candidate within the rollback's window"`
	Failed      int            `json:"failed"`
}

type rollbackRule struct {
	Errors string `json:"errors" example:"5%" doc:"The split ends when more of the candidate's invocations fail"`
	Min    int    `json:"min,omitempty" doc:"Invocations of the candidate that it takes. Default 50"`
	Window string `json:"window,omitempty" doc:"How far back they count, 1s to 1h. Default 1m"`
}

type diffBody struct {
	From   version                 `json:"from"`
	To     version                 `json:"to"`
	Fields []supervisor.Difference `json:"fields"`
	Files  []supervisor.FileDiff   `json:"files"`
}

func versionBody(v supervisor.Version) version {
	return version{
		function: functionBody(v.Function), CodeDigest: v.CodeDigest, PolicyDigest: v.PolicyDigest, EnvironmentDigest: v.EnvironmentDigest, AssetsDigest: v.AssetsDigest,
		Secrets: append([]string{}, v.Secrets...), MissingSecrets: v.Missing, Aliases: append([]string{}, v.Aliases...), Weight: v.Weight,
	}
}

func splitBody(p *supervisor.Split) *split {
	if p == nil {
		return nil
	}
	out := &split{Weights: p.Weights, Started: p.Started, Invocations: p.Invocations, Failed: p.Failed}
	if r := p.Rollback; r != nil {
		out.Rollback = &rollbackRule{strconv.FormatFloat(r.Errors, 'f', -1, 64) + "%", r.Min, r.Window.String()}
	}
	return out
}

// queryOf reads a query that may hold these names, each once. ok is false when
// it does not, which the client has been told.
func queryOf(w http.ResponseWriter, r *http.Request, names ...string) (values map[string]string, ok bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		requestProblem(http.StatusBadRequest, "the query cannot be read", "").write(w)
		return nil, false
	}
	known := map[string]field{}
	values = map[string]string{}
	for _, name := range names {
		known[name] = nil
		values[name] = query.Get(name)
	}
	for name, list := range query {
		reason := ""
		if _, there := known[name]; !there {
			reason = unknown(name, known).Reason
		} else if len(list) > 1 {
			reason = "is given more than once"
		}
		if reason != "" {
			p := requestProblem(http.StatusBadRequest, "the query was refused", "")
			p.Problems = []outcome.Problem{{Field: shown(name), Reason: reason}}
			p.write(w)
			return nil, false
		}
	}
	return values, true
}

func (s *Server) listVersions(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	all, err := s.backend.Versions(tenant, function)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	body := versionsBody{Versions: []version{}, Previous: all.Previous, Split: splitBody(all.Split), History: []change{}}
	for _, v := range all.Versions {
		body.Versions = append(body.Versions, versionBody(v))
	}
	for _, c := range all.History {
		body.History = append(body.History, change(c))
	}
	writeJSON(w, http.StatusOK, "application/json", body)
}

func (s *Server) getVersion(w http.ResponseWriter, r *http.Request) {
	tenant, function, ref := r.PathValue("tenant"), r.PathValue("function"), r.PathValue("version")
	query, ok := queryOf(w, r, "code")
	if !ok {
		return
	}
	v, err := s.backend.Resolve(tenant, function, ref)
	body := versionBody(v)
	if err == nil && query["code"] != "" && query["code"] != "0" && query["code"] != "false" {
		body.Code, body.SourceMap, err = s.backend.Code(r.Context(), tenant, function, v.Version)
	}
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", body)
}

func (s *Server) diff(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	query, ok := queryOf(w, r, "from", "to")
	if !ok {
		return
	}
	d, err := s.backend.Diff(r.Context(), tenant, function, query["from"], query["to"])
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", diffBody{versionBody(d.From), versionBody(d.To), d.Fields, d.Files})
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	to := ""
	if r.ContentLength != 0 && !s.readMembers(w, r, maxSettings, "nothing was rolled back", map[string]field{"to": stringField(&to)}) {
		return
	}
	f, err := s.backend.Rollback(r.Context(), tenant, function, to)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", functionBody(f))
}

func (s *Server) putAlias(w http.ResponseWriter, r *http.Request) {
	tenant, function, ref := r.PathValue("tenant"), r.PathValue("function"), ""
	if !s.readMembers(w, r, maxSettings, "the alias was refused; nothing has changed", map[string]field{"version": stringField(&ref)}) {
		return
	}
	v, err := s.backend.SetAlias(r.Context(), tenant, function, r.PathValue("alias"), ref)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", versionBody(v))
}

func (s *Server) deleteAlias(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	s.done(w, s.backend.DeleteAlias(r.Context(), tenant, function, r.PathValue("alias")), tenant, function)
}

func (s *Server) putSplit(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	var weights map[string]int
	var rule *supervisor.RollbackRule
	if !s.readMembers(w, r, maxSettings, "the split was refused; nothing has changed", map[string]field{
		"weights": func(raw json.RawMessage) error {
			if json.Unmarshal(raw, &weights) != nil {
				return errors.New(`must be an object of whole numbers, percent by version: {"live": 90, "staging": 10}`)
			}
			return nil
		},
		"rollback": func(raw json.RawMessage) error {
			rule = &supervisor.RollbackRule{Errors: -1}
			problems := decodeObject(raw, map[string]field{
				"errors": percentField(&rule.Errors), "min": countField(&rule.Min), "window": durationField(&rule.Window),
			})
			if len(problems) > 0 {
				return fmt.Errorf("%s %s", problems[0].Field, problems[0].Reason)
			}
			if rule.Errors < 0 {
				return errors.New(`errors is missing: the share of failures that is too much, like "5%"`)
			}
			return nil
		},
	}) {
		return
	}
	set, err := s.backend.SetSplit(r.Context(), tenant, function, weights, rule)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", splitBody(&set))
}

// percentField takes "5%", or a number of percent.
func percentField(into *float64) field {
	return func(raw json.RawMessage) error {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(n >= 0 && n < 100) {
			return errors.New(`must be percent, 0 to less than 100: "5%"`)
		}
		*into = n
		return nil
	}
}

func (s *Server) deleteSplit(w http.ResponseWriter, r *http.Request) {
	tenant, function := r.PathValue("tenant"), r.PathValue("function")
	s.done(w, s.backend.ClearSplit(r.Context(), tenant, function), tenant, function)
}
