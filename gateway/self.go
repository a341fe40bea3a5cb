package gateway

import "net/http"

const selfPath = "/v1/self"

// self is what the caller may do.
type self struct {
	Name     string   `json:"name" doc:"The token's, or how the caller is known"`
	Admin    bool     `json:"admin" doc:"May do everything"`
	Scopes   []string `json:"scopes" doc:"Of the token; none without one"`
	Tenant   string   `json:"tenant,omitempty" doc:"The one that the scopes are for"`
	Settings bool     `json:"settings" doc:"There are routes for secrets and variables"`
	Tokens   bool     `json:"tokens" doc:"There are tokens"`
	Version  string   `json:"version" doc:"The supervisor's"`
}

// showSelf tells a caller who it is, or what it needs to be one.
func (s *Server) showSelf(w http.ResponseWriter, r *http.Request) {
	c, p := s.identify(r)
	if p != nil {
		s.refusals.Add(1)
		p.write(w)
		return
	}
	body := self{Name: c.name, Admin: c.admin, Scopes: []string{}, Settings: s.options.Settings != nil, Tokens: s.options.Tokens != nil, Version: s.options.Version}
	if c.token != nil {
		body.Tenant = c.token.Tenant
		for _, scope := range c.token.Scopes {
			body.Scopes = append(body.Scopes, string(scope))
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, "application/json", body)
}
