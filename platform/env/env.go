package env

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"sync"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

const (
	// MaxValue is the longest value in bytes.
	MaxValue = 8 << 10
	// MaxVars is how many variables a tenant may have, and how many a function.
	MaxVars = 100
	// maxFunctions bounds a tenant's functions that have variables.
	maxFunctions = 1000
	maxName      = 128
)

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	functionForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

// vars are variables by name. They are not changed once others may see them.
type vars map[string]string

// document is what the file of a tenant holds.
type document struct {
	Vars      vars            `json:"vars,omitempty"`
	Functions map[string]vars `json:"functions,omitempty"`
}

// Env is the platform API env. It is safe for concurrent use.
type Env struct {
	files *store.Documents

	mu      sync.RWMutex
	tenants map[string]*document // what has been read; immutable
	writing sync.Mutex
}

// New makes an Env that keeps its variables in a directory. There is nothing
// to close. The errors are those of store.OpenDocuments.
func New(dir string) (*Env, error) {
	files, err := store.OpenDocuments(dir)
	if err != nil {
		return nil, err
	}
	return &Env{files: files, tenants: map[string]*document{}}, nil
}

// APIs returns env.get and env.all. What they return is in
// docs/platform-apis.md.
func (e *Env) APIs() []platform.API {
	return []platform.API{
		{Name: "env.get", Sync: true, DeleteTenant: e.DeleteTenant, Doc: "env.get(name): the value of a variable, or undefined",
			Attributes: func(args []json.RawMessage) (policies.Attributes, error) {
				name, err := (&platform.Call{Args: args}).Text(0, "name", maxName)
				return policies.Attributes{Name: name}, err
			}, Func: e.get},
		{Name: "env.all", Sync: true, Doc: "env.all(): all variables, as an object", Func: e.all},
	}
}

// deployed returns the variables of the version that makes a call, if it has its
// own.
func deployed(ctx context.Context, call *platform.Call) (vars map[string]string, recorded bool, err error) {
	if call.Environment == nil {
		return nil, false, nil
	}
	return call.Environment.Variables(ctx)
}

func (e *Env) get(ctx context.Context, call *platform.Call) (any, error) {
	name, err := call.Text(0, "name", maxName)
	if err != nil {
		return nil, err
	}
	recorded, has, err := deployed(ctx, call)
	if err != nil {
		return nil, err
	}
	if has {
		if text, ok := recorded[name]; ok {
			return text, nil
		}
		return nil, nil
	}
	d, err := e.read(call.Tenant)
	if err != nil {
		return nil, err
	}
	for _, v := range []vars{d.Functions[call.Function], d.Vars} {
		if text, ok := v[name]; ok {
			return text, nil
		}
	}
	return nil, nil
}

func (e *Env) all(ctx context.Context, call *platform.Call) (any, error) {
	all, has, err := deployed(ctx, call)
	if err == nil && !has {
		all, err = e.Vars(call.Tenant, call.Function)
	}
	if err != nil {
		return nil, err
	}
	object := make(map[string]any, len(all))
	for name, text := range all {
		object[name] = text
	}
	return value.Encode(object)
}

// Own returns the variables that were set for a function, or for the tenant when
// function is empty. The errors are those of store.Documents.
func (e *Env) Own(tenant, function string) (map[string]string, error) {
	d, err := e.read(tenant)
	if err != nil {
		return nil, err
	}
	own := map[string]string{}
	if function == "" {
		maps.Copy(own, d.Vars)
	} else {
		maps.Copy(own, d.Functions[function])
	}
	return own, nil
}

// Vars returns the variables that a function sees: its own, and those of the
// tenant that it has none of. The errors are those of store.Documents.
func (e *Env) Vars(tenant, function string) (map[string]string, error) {
	d, err := e.read(tenant)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	maps.Copy(all, d.Vars)
	maps.Copy(all, d.Functions[function])
	return all, nil
}

// Set replaces the variables of a function, or of the tenant when function is
// empty; nil removes them. The error is store.ErrInvalid when a name is not one
// of letters, digits and _, of up to 128, or when there are more than MaxVars
// or one is longer than MaxValue.
func (e *Env) Set(tenant, function string, to map[string]string) error {
	if function != "" && !functionForm.MatchString(function) {
		return fmt.Errorf("function %.80q: %w: it is no function's name", function, store.ErrInvalid)
	}
	if len(to) > MaxVars {
		return fmt.Errorf("variables: %w: there are %d; the most is %d", store.ErrInvalid, len(to), MaxVars)
	}
	for name, text := range to {
		switch {
		case !nameForm.MatchString(name) || len(name) > maxName:
			return fmt.Errorf("variable %.80q: %w: a name has letters, digits and _, does not begin with a digit, and has at most %d bytes", name, store.ErrInvalid, maxName)
		case len(text) > MaxValue || !utf8.ValidString(text):
			return fmt.Errorf("variable %s: %w: want UTF-8 of at most %d bytes", name, store.ErrInvalid, MaxValue)
		}
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	old, err := e.read(tenant)
	if err != nil {
		return err
	}
	d := &document{Vars: old.Vars, Functions: maps.Clone(old.Functions)}
	switch {
	case function == "":
		d.Vars = maps.Clone(to)
	case len(to) == 0:
		delete(d.Functions, function)
	default:
		if d.Functions == nil {
			d.Functions = map[string]vars{}
		}
		d.Functions[function] = maps.Clone(to)
		if len(d.Functions) > maxFunctions {
			return fmt.Errorf("variables: %w: at most %d functions may have their own", store.ErrInvalid, maxFunctions)
		}
	}
	if err := e.files.Write(tenant, d); err != nil {
		return fmt.Errorf("variables of tenant %s: %w", tenant, err)
	}
	e.keep(tenant, d)
	return nil
}

// DeleteTenant removes all variables of a tenant.
func (e *Env) DeleteTenant(_ context.Context, tenant string) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	if err := e.files.Delete(tenant); err != nil {
		return fmt.Errorf("variables of tenant %s: %w", tenant, err)
	}
	e.keep(tenant, &document{})
	return nil
}

func (e *Env) read(tenant string) (*document, error) {
	e.mu.RLock()
	d := e.tenants[tenant]
	e.mu.RUnlock()
	if d != nil {
		return d, nil
	}
	d = &document{}
	if _, err := e.files.Read(tenant, d); err != nil {
		return nil, fmt.Errorf("variables of tenant %s: %w", tenant, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.tenants[tenant]; known != nil {
		return known, nil
	}
	e.tenants[tenant] = d
	return d, nil
}

func (e *Env) keep(tenant string, d *document) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tenants[tenant] = d
}
