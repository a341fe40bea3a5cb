package tokens

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scope is something that a token may do.
type Scope string

const (
	// Admin may do everything.
	Admin Scope = "admin"
	// TenantDeploy may see one tenant, deploy and delete its functions, set its
	// secrets and variables, and follow its audit log.
	TenantDeploy Scope = "tenant-deploy"
	// TenantInvoke may invoke one tenant's functions.
	TenantInvoke Scope = "tenant-invoke"
	// Metrics may read the metrics, for a scraper.
	Metrics Scope = "metrics"
)

// Scopes are all there are.
var Scopes = []Scope{Admin, TenantDeploy, TenantInvoke, Metrics}

func (s Scope) ofTenant() bool { return s == TenantDeploy || s == TenantInvoke }

// Token is what may be told of a token.
type Token struct {
	// Name is the operator's, and unique: 1 to 63 of a-z, 0-9 and -.
	Name string `json:"name"`
	// ID is the public part of the token's text.
	ID     string  `json:"id"`
	Scopes []Scope `json:"scopes"`
	// Tenant is the one that the scopes of a tenant are for; else empty.
	Tenant  string    `json:"tenant,omitempty"`
	Created time.Time `json:"created"`
	// Expires is zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Used is when it was last used, give or take a minute; zero for never.
	Used time.Time `json:"used,omitzero"`

	// Rate is how many invocations it may make in a second, Burst how many at
	// once after a pause; MaxInflight is how many may be under way. 0: as many as
	// its tenant.
	Rate        float64 `json:"rate,omitempty"`
	Burst       int     `json:"burst,omitempty"`
	MaxInflight int     `json:"max_inflight,omitempty"`

	// TenantSince is when the tenant was created: the token is of no use for
	// a later one of the same name.
	TenantSince time.Time `json:"tenant_since,omitzero"`
	// Configured says that it comes from the configuration.
	Configured bool `json:"configured,omitempty"`
}

// Has tells whether the token has a scope.
func (t *Token) Has(s Scope) bool { return slices.Contains(t.Scopes, s) }

var (
	// ErrInvalid means that what was asked for cannot be; the message says why.
	ErrInvalid = errors.New("invalid")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("exists")
	// ErrNotFound means that there is no such token.
	ErrNotFound = errors.New("not found")
)

// FieldError is a member of a Token that is wrong. It wraps ErrInvalid.
type FieldError struct{ Field, Reason string }

func (e *FieldError) Error() string { return e.Field + " " + e.Reason }
func (e *FieldError) Unwrap() error { return ErrInvalid }

const maxTokens = 10_000

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// validate finds what is wrong with a token to be made.
func (t *Token) validate(now time.Time) error {
	wrong := func(field, format string, args ...any) error {
		return &FieldError{field, fmt.Sprintf(format, args...)}
	}
	if !nameForm.MatchString(t.Name) {
		return wrong("name", "must be 1 to 63 of a-z, 0-9 and -, and not start with -")
	}
	if len(t.Scopes) == 0 {
		return wrong("scopes", "must name at least one of %s", listed())
	}
	ofTenant := false
	for i, s := range t.Scopes {
		if !slices.Contains(Scopes, s) || slices.Contains(t.Scopes[:i], s) {
			return wrong("scopes", "must each be one of %s, and none twice; %.40q is not", listed(), s)
		}
		ofTenant = ofTenant || s.ofTenant()
	}
	switch {
	case t.Has(Admin) && len(t.Scopes) > 1:
		return wrong("scopes", "cannot hold others beside admin, which may do everything")
	case ofTenant && t.Tenant == "":
		return wrong("tenant", "must be named for the scopes %s and %s", TenantDeploy, TenantInvoke)
	case !ofTenant && t.Tenant != "":
		return wrong("tenant", "goes with the scopes %s and %s only", TenantDeploy, TenantInvoke)
	case !t.Expires.IsZero() && !t.Expires.After(now):
		return wrong("expires", "must lie in the future")
	case !(t.Rate >= 0 && t.Rate <= 1e6):
		return wrong("rate", "must be 0 to 1000000 in a second")
	case t.Burst < 0 || t.Burst > 1e6 || t.Burst > 0 && t.Rate == 0:
		return wrong("burst", "must be 0 to 1000000, and goes with a rate")
	case t.MaxInflight < 0 || t.MaxInflight > 1e6:
		return wrong("max_inflight", "must be 0 to 1000000")
	case !t.Has(TenantInvoke) && !t.Has(Admin) && (t.Rate > 0 || t.MaxInflight > 0):
		return wrong("rate", "and max_inflight limit invocations, which the scopes do not allow")
	}
	return nil
}

func listed() string {
	names := make([]string, len(Scopes))
	for i, s := range Scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
