package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// Tenant is one tenant's settings.
type Tenant struct {
	Name    string    `json:"name"`
	Policy  string    `json:"policy"`
	Tier    string    `json:"tier"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// TenantSettings is what PutTenant sets. Empty means the supervisor's default.
type TenantSettings struct {
	Policy string `json:"policy,omitempty"`
	Tier   string `json:"tier,omitempty"`
}

// FunctionSettings is what Deploy sets beside the code. Zero values mean the
// supervisor's defaults.
type FunctionSettings struct {
	Memory      int64 // bytes
	Timeout     time.Duration
	CPU         time.Duration // of one invocation
	Concurrency int
	Isolation   string // "fresh" or "warm"
	// Policy holds beside the tenant's: what either denies is denied.
	Policy string
	// Public lets anybody call the function over HTTP, without a token.
	Public bool
	// Alias is a name that the version gets, like "staging"; NoLive makes the
	// version without making it live.
	Alias  string
	NoLive bool
	// Assets are static files by their names, like "css/site.css": at most 2000,
	// 8 MiB each and 16 MiB together with their names.
	Assets map[string][]byte
	// SourceMap is the code's source map, JSON of at most 4 MiB, or empty.
	SourceMap string
}

// Function is a deployed function.
type Function struct {
	Tenant      string    `json:"tenant"`
	Function    string    `json:"function"`
	Version     string    `json:"version"`
	Shape       string    `json:"shape,omitempty"`
	Memory      int64     `json:"memory"` // bytes
	Timeout     Duration  `json:"timeout"`
	CPU         Duration  `json:"cpu,omitempty"` // of one invocation; 0 for no limit
	Concurrency int       `json:"concurrency"`
	Isolation   string    `json:"isolation"`
	Policy      string    `json:"policy,omitempty"`
	Public      bool      `json:"public,omitempty"` // anybody may call it over HTTP
	Size        int64     `json:"size"`             // bytes of code
	Deployed    time.Time `json:"deployed"`
}

// Policy is a policy that tenants and functions may name.
type Policy struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// AuditFilter chooses entries of the audit log; an empty field chooses all.
type AuditFilter struct {
	Tenant, Function, API string
	Action                string // "allow", "deny", "audit", "kill" or "quota"
}

// Result is what an invocation came to.
type Result struct {
	Receipt
	Value       json.RawMessage `json:"value,omitempty"`
	Logs        []Log           `json:"logs"`
	DroppedLogs int             `json:"dropped_logs"`
	PID         int             `json:"pid"` // the sandbox process
}

// Log is one line that an invocation logged.
type Log struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"` // "debug", "info", "warn" or "error"
	Message string    `json:"message"`
}

// Duration is a time.Duration that JSON holds as text: "5s".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration", text)
	}
	*d = Duration(parsed)
	return nil
}
