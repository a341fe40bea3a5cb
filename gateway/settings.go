package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	secretsPath     = tenantPath + "/secrets"
	secretPath      = secretsPath + "/{secret}"
	envPath         = tenantPath + "/env"
	functionEnvPath = functionPath + "/env"
	// maxEnv bounds the body that sets variables.
	maxEnv = 1 << 20
)

// Secret is what may be told of a secret.
type Secret struct {
	Name string `json:"name"`
	// Hosts are those to which fetch may send it: "api.example.com",
	// "*.example.com", with ":port" unless it is 443.
	Hosts []string `json:"hosts"`
	// Reveal says that functions get the value itself, not a placeholder.
	Reveal  bool      `json:"reveal"`
	Updated time.Time `json:"updated"`
}

// Settings is what tenants have beside policies and functions: secrets, and
// variables for the platform API env. Its methods are called from many
// goroutines at once, and fail with an *outcome.Error; anything else is shown
// as an internal error.
type Settings interface {
	// PutSecret sets a secret's Hosts, Reveal and value.
	PutSecret(tenant string, s Secret, value string) error
	Secrets(tenant string) ([]Secret, error)
	DeleteSecret(tenant, name string) error
	// Vars returns the variables of a function, or those of the whole tenant
	// when function is empty; PutVars replaces them.
	Vars(tenant, function string) (map[string]string, error)
	PutVars(tenant, function string, vars map[string]string) error
}

func (s *Server) routeSettings(mux *router) {
	mux.HandleFunc("GET "+secretsPath, s.listSecrets)
	mux.HandleFunc("PUT "+secretPath, s.putSecret)
	mux.HandleFunc("DELETE "+secretPath, s.deleteSecret)
	for _, path := range []string{envPath, functionEnvPath} {
		mux.HandleFunc("GET "+path, s.getEnv)
		mux.HandleFunc("PUT "+path, s.putEnv)
	}
}

// owner returns the tenant and function that the path names. ok is false when
// either does not exist, which the client has been told.
func (s *Server) owner(w http.ResponseWriter, r *http.Request) (tenant, function string, ok bool) {
	tenant, function = r.PathValue("tenant"), r.PathValue("function")
	_, err := s.backend.Tenant(tenant)
	if err == nil && function != "" {
		_, err = s.backend.Function(tenant, function)
	}
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
	}
	return tenant, function, err == nil
}

func (s *Server) listSecrets(w http.ResponseWriter, r *http.Request) {
	tenant, _, ok := s.owner(w, r)
	if !ok {
		return
	}
	list, err := s.options.Settings.Secrets(tenant)
	if err != nil {
		s.problemOf(err, tenant, "").write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", map[string][]Secret{"secrets": list})
}

func (s *Server) putSecret(w http.ResponseWriter, r *http.Request) {
	tenant, _, ok := s.owner(w, r)
	if !ok {
		return
	}
	secret, value := Secret{Name: r.PathValue("secret"), Hosts: []string{}}, ""
	if !s.readMembers(w, r, maxSettings, "the secret was refused; nothing has changed", map[string]field{
		"value": stringField(&value), "hosts": stringsField(&secret.Hosts), "reveal": boolField(&secret.Reveal),
	}) {
		return
	}
	s.done(w, s.options.Settings.PutSecret(tenant, secret, value), tenant, "")
}

func (s *Server) deleteSecret(w http.ResponseWriter, r *http.Request) {
	tenant, _, ok := s.owner(w, r)
	if !ok {
		return
	}
	s.done(w, s.options.Settings.DeleteSecret(tenant, r.PathValue("secret")), tenant, "")
}

func (s *Server) getEnv(w http.ResponseWriter, r *http.Request) {
	tenant, function, ok := s.owner(w, r)
	if !ok {
		return
	}
	vars, err := s.options.Settings.Vars(tenant, function)
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", map[string]map[string]string{"env": vars})
}

func (s *Server) putEnv(w http.ResponseWriter, r *http.Request) {
	tenant, function, ok := s.owner(w, r)
	if !ok {
		return
	}
	vars := map[string]string{}
	if !s.readMembers(w, r, maxEnv, "the variables were refused; nothing has changed", map[string]field{"env": func(raw json.RawMessage) error {
		if json.Unmarshal(raw, &vars) != nil {
			return errors.New("must be an object of strings")
		}
		return nil
	}}) {
		return
	}
	var changed []supervisor.Function
	err := s.options.Settings.PutVars(tenant, function, vars)
	if err == nil {
		changed, err = s.backend.ApplyEnvironment(r.Context(), tenant, function)
	}
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", applied(changed))
}

// done answers a change with nothing, or with why it failed.
func (s *Server) done(w http.ResponseWriter, err error, tenant, function string) {
	if err != nil {
		s.problemOf(err, tenant, function).write(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readMembers reads a body that has to be a JSON object with these members. It
// returns false when it is not, which the client has been told: refused says
// what came of the request.
func (s *Server) readMembers(w http.ResponseWriter, r *http.Request, limit int64, refused string, members map[string]field) bool {
	media, p := mediaType(r)
	if p == nil && media != "application/json" {
		p = requestProblem(http.StatusUnsupportedMediaType, "the body is taken as application/json", "set Content-Type: application/json")
	}
	var body []byte
	if p == nil {
		body, p = readBody(w, r, "body", limit)
	}
	if p != nil {
		p.write(w)
		return false
	}
	problems := decodeObject(body, members)
	if len(problems) > 0 {
		e := &outcome.Error{Outcome: outcome.Invalid, Detail: refused, Problems: problems}
		s.problemOf(e, r.PathValue("tenant"), r.PathValue("function")).write(w)
	}
	return len(problems) == 0
}

func stringsField(into *[]string) field {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil {
			return errors.New("must be a list of strings")
		}
		return nil
	}
}

func boolField(into *bool) field {
	return func(raw json.RawMessage) error {
		if json.Unmarshal(raw, into) != nil {
			return errors.New("must be true or false")
		}
		return nil
	}
}
