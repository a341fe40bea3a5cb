package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
)

// Environment is what functions are configured with beside their code. Its
// methods are called from many goroutines.
type Environment interface {
	// Vars returns the variables that a function sees: its own, and those of its
	// tenant that it has none of.
	Vars(tenant, function string) (map[string]string, error)
	// Secrets returns the names of a tenant's secrets.
	Secrets(tenant string) ([]string, error)
}

// variables are those of a version. They are not changed.
type variables map[string]string

func parseVariables(data []byte) (v variables, err error) {
	err = json.Unmarshal(data, &v)
	return v, err
}

// Size is roughly what they take, in bytes.
func (v variables) Size() int {
	size := 128
	for name, text := range v {
		size += len(name) + len(text) + 64
	}
	return size
}

// environmentOf returns the document of a function's variables as they are set
// now, nil when nobody sets any.
func (s *Supervisor) environmentOf(tenant, function string) ([]byte, error) {
	if s.o.Environment == nil {
		return nil, nil
	}
	vars, err := s.o.Environment.Vars(tenant, function)
	if err != nil {
		return nil, internal(tenant, function, "the variables could not be read", err)
	}
	if vars == nil {
		vars = map[string]string{}
	}
	return json.Marshal(vars) // in order of the names
}

// variablesOf returns the variables that a version was deployed with. recorded
// is false when it has none of its own.
func (s *Supervisor) variablesOf(ctx context.Context, v *store.Version) (vars variables, recorded bool, err error) {
	if v.Environment == "" {
		return nil, false, nil
	}
	vars, err = s.vars.get(ctx, v.Tenant, v.Environment, func(ctx context.Context) ([]byte, error) {
		return s.store.Code(ctx, v.Tenant, v.Environment)
	})
	if err != nil {
		return nil, false, fmt.Errorf("the environment of version %s: %w", v.Version, err)
	}
	return vars, true, nil
}

// Variables makes an invocation a platform.Environment.
func (inv *invocation) Variables(ctx context.Context) (vars map[string]string, recorded bool, err error) {
	v := inv.runs.Load()
	if v == nil {
		return nil, false, nil
	}
	return inv.s.variablesOf(ctx, v)
}

var _ platform.Environment = (*invocation)(nil)

// secretsIn returns the names of the tenant's secrets that a code mentions, in
// order: those are what a version refers to.
func (s *Supervisor) secretsIn(tenant, code string) ([]string, error) {
	if s.o.Environment == nil {
		return nil, nil
	}
	known, err := s.o.Environment.Secrets(tenant)
	if err != nil {
		return nil, internal(tenant, "", "the secrets could not be listed", err)
	}
	var names []string
	for _, name := range known {
		if mentions(code, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// mentions tells whether a name occurs in a text, not as a part of another name.
func mentions(text, name string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], name)
		if at < 0 || name == "" {
			return false
		}
		at += from
		end := at + len(name)
		if (at == 0 || !inName(text[at-1])) && (end == len(text) || !inName(text[end])) {
			return true
		}
		from = at + 1
	}
}

func inName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
}

// missingSecrets returns those of a version's secrets that do not exist now.
func (s *Supervisor) missingSecrets(v *store.Version) []string {
	if len(v.Secrets) == 0 || s.o.Environment == nil {
		return nil
	}
	known, err := s.o.Environment.Secrets(v.Tenant)
	if err != nil {
		return nil
	}
	var missing []string
	for _, name := range v.Secrets {
		if !slices.Contains(known, name) {
			missing = append(missing, name)
		}
	}
	return missing
}
