package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Tenant is one tenant's record.
type Tenant struct {
	Name string
	// Policy and Tier are names that the supervisor understands.
	Policy, Tier string
	// Created and Updated are set by PutTenant.
	Created, Updated time.Time
}

// Function is one function's record: its current version.
type Function struct {
	Tenant, Function string
	// Version is the name that the supervisor gave to this code with these
	// settings. It must not be empty.
	Version string
	// Digest is the SHA-256 of the code, in lower-case hexadecimal. It, Size
	// and Deployed are set by PutFunction.
	Digest string
	// SourceMap is the digest of the code's source map, "" when it has none.
	// PutFunction sets it.
	SourceMap string
	// Shape says which of the forms of a function the code has.
	Shape string
	// Memory is the limit of one instance, in bytes.
	Memory  int64
	Timeout time.Duration
	// Concurrency is how many invocations may run at once.
	Concurrency int
	Isolation   string
	// CPU is the limit of an invocation's CPU time; 0 is none.
	CPU time.Duration
	// Policy is a name that the supervisor understands, or "".
	Policy string
	// Public lets anybody call the function over HTTP.
	Public bool
	// Size is the length of the code, in bytes.
	Size     int64
	Deployed time.Time
}

// recordFormat is the number of the encoding below. Increase it whenever an
// older reader would misunderstand a record.
const (
	recordFormat = 4
	// cpuFormat has no public functions, policyFormat has no limit of a function's CPU time, and plainFormat no
	// policy either: what has none is written so, for older versions to read.
	cpuFormat    = 3
	policyFormat = 2
	plainFormat  = 1
)

// maxText bounds every text in a record, in bytes.
const maxText = 256

type tenantRecord struct {
	Format  int       `json:"format"`
	Name    string    `json:"name"`
	Policy  string    `json:"policy"`
	Tier    string    `json:"tier"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

type functionRecord struct {
	Format      int       `json:"format"`
	Tenant      string    `json:"tenant"`
	Function    string    `json:"function"`
	Version     string    `json:"version"`
	Digest      string    `json:"digest"`
	SourceMap   string    `json:"source_map,omitempty"`
	Shape       string    `json:"shape"`
	Memory      int64     `json:"memory"`
	Timeout     string    `json:"timeout"`
	Concurrency int       `json:"concurrency"`
	Isolation   string    `json:"isolation"`
	CPU         string    `json:"cpu,omitempty"`
	Policy      string    `json:"policy,omitempty"`
	Public      bool      `json:"public,omitempty"`
	Size        int64     `json:"size"`
	Deployed    time.Time `json:"deployed"`
}

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// The keys of records. A name that passes checkName is one token of a subject.
func tenantKey(tenant string) string             { return "tenant." + tenant }
func functionKey(tenant, function string) string { return "function." + tenant + "." + function }

// parseKey takes a key apart; function is empty for a tenant's.
func parseKey(key string) (tenant, function string, ok bool) {
	parts := strings.Split(key, ".")
	for _, name := range parts[1:] {
		ok = nameForm.MatchString(name)
		if !ok {
			return "", "", false
		}
	}
	switch {
	case parts[0] == "tenant" && len(parts) == 2:
		return parts[1], "", true
	case parts[0] == "function" && len(parts) == 3:
		return parts[1], parts[2], true
	}
	return "", "", false
}

func checkName(what, name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%w %s name %.80q: want 1 to 63 of a-z, 0-9 and -, not starting with -", ErrInvalid, what, name)
	}
	return nil
}

func checkText(what, text string) error {
	if len(text) > maxText || !utf8.ValidString(text) {
		return fmt.Errorf("%w %s: want UTF-8 of at most %d bytes", ErrInvalid, what, maxText)
	}
	return nil
}

func checkTime(what string, t time.Time) error {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("%w %s: year %d", ErrInvalid, what, y)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t Tenant) check() error {
	return firstError(
		checkName("tenant", t.Name),
		checkText("policy", t.Policy),
		checkText("tier", t.Tier),
		checkTime("created", t.Created),
		checkTime("updated", t.Updated))
}

func (f Function) check() error {
	if err := firstError(
		checkName("tenant", f.Tenant),
		checkName("function", f.Function),
		checkText("version", f.Version),
		checkText("shape", f.Shape),
		checkText("isolation", f.Isolation),
		checkText("policy", f.Policy),
		checkTime("deployed", f.Deployed)); err != nil {
		return err
	}
	switch {
	case f.Version == "":
		return fmt.Errorf("%w version: it is empty", ErrInvalid)
	case !digestForm.MatchString(f.Digest):
		return fmt.Errorf("%w digest: want 64 hexadecimal digits", ErrInvalid)
	case f.SourceMap != "" && !digestForm.MatchString(f.SourceMap):
		return fmt.Errorf("%w source map's digest: want 64 hexadecimal digits", ErrInvalid)
	case f.Memory < 0:
		return fmt.Errorf("%w memory: %d", ErrInvalid, f.Memory)
	case f.Timeout < 0:
		return fmt.Errorf("%w timeout: %s", ErrInvalid, f.Timeout)
	case f.CPU < 0:
		return fmt.Errorf("%w cpu: %s", ErrInvalid, f.CPU)
	case f.Concurrency < 0:
		return fmt.Errorf("%w concurrency: %d", ErrInvalid, f.Concurrency)
	case f.Size < 0 || f.Size > MaxCode:
		return fmt.Errorf("%w size: %d", ErrInvalid, f.Size)
	}
	return nil
}

func (f Function) digests() []string { return []string{f.Digest, f.SourceMap} }

func (f Function) uses(digest string) bool { return f.Digest == digest || f.SourceMap == digest }

func encodeTenant(t Tenant) ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	return json.Marshal(tenantRecord{plainFormat, t.Name, t.Policy, t.Tier, t.Created.UTC(), t.Updated.UTC()})
}

func encodeFunction(f Function) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	format := plainFormat
	if f.Policy != "" {
		format = policyFormat
	}
	cpu := ""
	if f.CPU != 0 {
		format, cpu = cpuFormat, f.CPU.String()
	}
	if f.Public {
		format = recordFormat
	}
	return json.Marshal(functionRecord{format, f.Tenant, f.Function, f.Version, f.Digest, f.SourceMap, f.Shape, f.Memory,
		f.Timeout.String(), f.Concurrency, f.Isolation, cpu, f.Policy, f.Public, f.Size, f.Deployed.UTC()})
}

func decodeTenant(tenant string, data []byte) (Tenant, error) {
	var r tenantRecord
	if err := decode(data, &r); err != nil {
		return Tenant{}, err
	}
	t := Tenant{r.Name, r.Policy, r.Tier, r.Created.UTC(), r.Updated.UTC()}
	if err := t.check(); err != nil {
		return Tenant{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if t.Name != tenant {
		return Tenant{}, fmt.Errorf("%w: it is of tenant %s", ErrCorrupt, t.Name)
	}
	return t, nil
}

func decodeFunction(tenant, function string, data []byte) (Function, error) {
	var r functionRecord
	if err := decode(data, &r); err != nil {
		return Function{}, err
	}
	timeout, err := time.ParseDuration(r.Timeout)
	if err != nil {
		return Function{}, fmt.Errorf("%w: timeout: %w", ErrCorrupt, err)
	}
	var cpu time.Duration
	if r.CPU != "" {
		if cpu, err = time.ParseDuration(r.CPU); err != nil {
			return Function{}, fmt.Errorf("%w: cpu: %w", ErrCorrupt, err)
		}
	}
	f := Function{r.Tenant, r.Function, r.Version, r.Digest, r.SourceMap, r.Shape, r.Memory, timeout,
		r.Concurrency, r.Isolation, cpu, r.Policy, r.Public, r.Size, r.Deployed.UTC()}
	if err := f.check(); err != nil {
		return Function{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if f.Tenant != tenant || f.Function != function {
		return Function{}, fmt.Errorf("%w: it is of function %s/%s", ErrCorrupt, f.Tenant, f.Function)
	}
	return f, nil
}

// decode is strict within the format it knows: a field it does not know would
// be lost when the record is written again.
func decode(data []byte, v any) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if head.Format > recordFormat {
		return fmt.Errorf("%w: its format is %d, this version reads up to %d (upgrade)", ErrNewerFormat, head.Format, recordFormat)
	}
	if head.Format < plainFormat {
		return fmt.Errorf("%w: unknown format %d", ErrCorrupt, head.Format)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more follows after the record", ErrCorrupt)
	}
	return nil
}
