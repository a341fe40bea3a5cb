package gateway

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

const (
	tokensPath = "/v1/tokens"
	tokenPath  = tokensPath + "/{token}"
)

// token is a token as the API shows it.
type token struct {
	Name        string         `json:"name" doc:"The operator's name for it"`
	ID          string         `json:"id" doc:"The public part of its text"`
	Scopes      []tokens.Scope `json:"scopes"`
	Tenant      string         `json:"tenant,omitempty" doc:"The one that tenant-deploy and tenant-invoke are for"`
	Created     time.Time      `json:"created"`
	Expires     *time.Time     `json:"expires,omitempty" doc:"Never, when missing"`
	Used        *time.Time     `json:"used,omitempty" doc:"The last use, give or take a minute"`
	Rate        string         `json:"rate,omitempty" doc:"Invocations, like 100/s"`
	Burst       int            `json:"burst,omitempty" doc:"Invocations at once after a pause"`
	MaxInflight int            `json:"max_inflight,omitempty" doc:"Invocations under way"`
	Configured  bool           `json:"configured,omitempty" doc:"It comes from the configuration"`
}

// tokenCreated is told once.
type tokenCreated struct {
	token
	Token string `json:"token" doc:"The token itself, which is shown only now"`
}

// tokenBody documents what POST takes.
type tokenBody struct {
	Name        string         `json:"name"`
	Scopes      []tokens.Scope `json:"scopes"`
	Tenant      string         `json:"tenant,omitempty"`
	Expires     string         `json:"expires,omitempty" doc:"RFC 3339; default never" example:"2030-01-01T00:00:00Z"`
	Rate        string         `json:"rate,omitempty" doc:"Invocations, like 100/s, 6000/m or 1000/h; default as the tenant's tier"`
	Burst       int            `json:"burst,omitempty" doc:"Default: those of a second"`
	MaxInflight int            `json:"max_inflight,omitempty" doc:"Default as the tenant's tier"`
}

func tokenShown(t tokens.Token) token {
	shown := token{
		Name: t.Name, ID: t.ID, Scopes: t.Scopes, Tenant: t.Tenant, Created: t.Created,
		Rate: FormatRate(t.Rate), Burst: t.Burst, MaxInflight: t.MaxInflight, Configured: t.Configured,
	}
	if !t.Expires.IsZero() {
		shown.Expires = &t.Expires
	}
	if !t.Used.IsZero() {
		shown.Used = &t.Used
	}
	return shown
}

func (s *Server) listTokens(w http.ResponseWriter, _ *http.Request) {
	body := tokensBody{Tokens: []token{}}
	for _, t := range s.options.Tokens.List() {
		body.Tokens = append(body.Tokens, tokenShown(t))
	}
	writeJSON(w, http.StatusOK, "application/json", body)
}

func (s *Server) createToken(w http.ResponseWriter, r *http.Request) {
	var t tokens.Token
	var scopes []string
	if !s.readMembers(w, r, maxSettings, "the token was refused; nothing has changed", map[string]field{
		"name": stringField(&t.Name), "scopes": stringsField(&scopes), "tenant": stringField(&t.Tenant),
		"expires": timeField(&t.Expires), "rate": rateField(&t.Rate), "burst": countField(&t.Burst), "max_inflight": countField(&t.MaxInflight),
	}) {
		return
	}
	for _, scope := range scopes {
		t.Scopes = append(t.Scopes, tokens.Scope(scope))
	}
	if t.Tenant != "" {
		tenant, err := s.backend.Tenant(t.Tenant)
		if err != nil {
			s.problemOf(err, t.Tenant, "").write(w)
			return
		}
		t.TenantSince = tenant.Created
	}
	created, text, err := s.options.Tokens.Create(t, time.Now())
	if err != nil {
		s.tokenProblem(err).write(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusCreated, "application/json", tokenCreated{tokenShown(created), text})
}

func (s *Server) revokeToken(w http.ResponseWriter, r *http.Request) {
	if err := s.options.Tokens.Revoke(r.PathValue("token")); err != nil {
		s.tokenProblem(err).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) tokenProblem(err error) *problem {
	e := &outcome.Error{Outcome: outcome.Internal, Detail: "the tokens could not be written; nothing has changed", Err: err}
	var wrong *tokens.FieldError
	switch {
	case errors.As(err, &wrong):
		e = &outcome.Error{Outcome: outcome.Invalid, Detail: "the token was refused; nothing has changed",
			Problems: []outcome.Problem{{Field: wrong.Field, Reason: wrong.Reason}}}
	case errors.Is(err, tokens.ErrExists):
		e = &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Remedy: "choose another name, or revoke that one first"}
	case errors.Is(err, tokens.ErrNotFound):
		e = &outcome.Error{Outcome: outcome.NotFound, Detail: err.Error(), Remedy: "see `supervisor token list`"}
	}
	return s.problemOf(e, "", "")
}

// forgetTenant ends a deleted tenant's tokens.
func (s *Server) forgetTenant(name string) {
	if s.options.Tokens == nil {
		return
	}
	if err := s.options.Tokens.RevokeTenant(name); err != nil {
		// They are of no use for a later tenant of this name anyway.
		s.log.Warn("a deleted tenant's tokens are still kept", slog.Any("error", err))
	}
}
