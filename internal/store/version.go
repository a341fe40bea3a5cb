package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Version is one version of a function: code with everything that it runs
// with. It never changes.
type Version struct {
	Tenant, Function string
	// Version is the SHA-256 of the fields below, in lower-case hexadecimal, but
	// for Shape, Size and Deployed. Seal sets it. Those that were made before
	// versions were named so have 12 digits.
	Version string
	// Digest is the SHA-256 of the code, in lower-case hexadecimal. It and Size
	// are set by Seal.
	Digest string
	// SourceMap is the digest of the code's source map, "" when it has none.
	// Seal sets it.
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
	// Policy is a name that the supervisor understands, or "", and PolicyDigest
	// names what it said when the version was made, or is "".
	Policy, PolicyDigest string
	// Public lets anybody call the version over HTTP.
	Public bool
	// Environment is the digest of the document with the variables, "" when
	// they were not recorded. Seal sets it.
	Environment string
	// Assets is the digest of the version's static files, "" when it has none.
	// Seal sets it.
	Assets string
	// Secrets are the names of those that the code refers to, in order.
	Secrets []string
	// Size is the length of the code, in bytes.
	Size int64
	// Deployed is when the version was made. PutVersion sets it.
	Deployed time.Time
}

// maxSecrets bounds the names in a record.
const maxSecrets = 100

// versionContent is what a version is named by. Fields that are added later are
// left out when they are empty, so that older names stay.
type versionContent struct {
	Digest       string   `json:"digest"`
	SourceMap    string   `json:"source_map,omitempty"`
	Memory       int64    `json:"memory"`
	Timeout      string   `json:"timeout"`
	Concurrency  int      `json:"concurrency"`
	Isolation    string   `json:"isolation"`
	CPU          string   `json:"cpu,omitempty"`
	Policy       string   `json:"policy,omitempty"`
	PolicyDigest string   `json:"policy_digest,omitempty"`
	Public       bool     `json:"public,omitempty"`
	Environment  string   `json:"environment,omitempty"`
	Assets       string   `json:"assets,omitempty"`
	Secrets      []string `json:"secrets,omitempty"`
}

type versionRecord struct {
	Format   int    `json:"format"`
	Tenant   string `json:"tenant"`
	Function string `json:"function"`
	Version  string `json:"version"`
	versionContent
	Shape    string    `json:"shape"`
	Size     int64     `json:"size"`
	Deployed time.Time `json:"deployed"`
}

func (v *Version) content() versionContent {
	cpu := ""
	if v.CPU != 0 {
		cpu = v.CPU.String()
	}
	return versionContent{v.Digest, v.SourceMap, v.Memory, v.Timeout.String(), v.Concurrency, v.Isolation, cpu,
		v.Policy, v.PolicyDigest, v.Public, v.Environment, v.Assets, v.Secrets}
}

// Parts are what a version consists of beside its record. An empty SourceMap or
// Assets stands for none, and a nil Environment for one that is not recorded.
type Parts struct{ Code, SourceMap, Environment, Assets []byte }

// Seal sets the digests of the version's parts, and its name.
func (v *Version) Seal(p Parts) {
	v.Digest, v.Size, v.SourceMap, v.Assets = digestOf(p.Code), int64(len(p.Code)), "", ""
	if len(p.SourceMap) > 0 {
		v.SourceMap = digestOf(p.SourceMap)
	}
	if len(p.Assets) > 0 {
		v.Assets = digestOf(p.Assets)
	}
	v.SealEnvironment(p.Environment)
}

// SealEnvironment makes of a copy of a version one that differs in its
// environment, and names it.
func (v *Version) SealEnvironment(environment []byte) {
	v.Environment = ""
	if environment != nil {
		v.Environment = digestOf(environment)
	}
	v.Version = v.name()
}

func (v *Version) name() string {
	text, err := json.Marshal(v.content())
	if err != nil {
		panic("BUG: " + err.Error()) // texts and numbers
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (v *Version) key() recordKey { return recordKey{v.Tenant, v.Function, v.Version} }

func (v *Version) check() error {
	if err := firstError(
		checkName("tenant", v.Tenant),
		checkName("function", v.Function),
		checkText("shape", v.Shape),
		checkText("isolation", v.Isolation),
		checkText("policy", v.Policy),
		checkTime("deployed", v.Deployed)); err != nil {
		return err
	}
	for what, digest := range map[string]string{"source map": v.SourceMap, "policy": v.PolicyDigest, "environment": v.Environment, "assets": v.Assets} {
		if digest != "" && !digestForm.MatchString(digest) {
			return fmt.Errorf("%w %s's digest: want 64 hexadecimal digits", ErrInvalid, what)
		}
	}
	for _, name := range v.Secrets {
		if err := checkText("secret", name); err != nil {
			return err
		}
	}
	switch {
	case !digestForm.MatchString(v.Digest):
		return fmt.Errorf("%w digest: want 64 hexadecimal digits", ErrInvalid)
	case !versionForm.MatchString(v.Version):
		return fmt.Errorf("%w version %.80q: want 64 hexadecimal digits", ErrInvalid, v.Version)
	case len(v.Version) == 64 && v.Version != v.name():
		return fmt.Errorf("%w version %.80q: it is not the digest of its content", ErrInvalid, v.Version)
	case v.Memory < 0:
		return fmt.Errorf("%w memory: %d", ErrInvalid, v.Memory)
	case v.Timeout < 0:
		return fmt.Errorf("%w timeout: %s", ErrInvalid, v.Timeout)
	case v.CPU < 0:
		return fmt.Errorf("%w cpu: %s", ErrInvalid, v.CPU)
	case v.Concurrency < 0:
		return fmt.Errorf("%w concurrency: %d", ErrInvalid, v.Concurrency)
	case len(v.Secrets) > maxSecrets || !slices.IsSorted(v.Secrets):
		return fmt.Errorf("%w secrets: want at most %d names, in order", ErrInvalid, maxSecrets)
	case v.Size < 0 || v.Size > MaxCode:
		return fmt.Errorf("%w size: %d", ErrInvalid, v.Size)
	}
	return nil
}

func (v *Version) digests() []string { return []string{v.Digest, v.SourceMap, v.Environment, v.Assets} }

func (v *Version) uses(digest string) bool { return slices.Contains(v.digests(), digest) }

func encodeVersion(v *Version) ([]byte, error) {
	if err := v.check(); err != nil {
		return nil, err
	}
	return json.Marshal(versionRecord{recordFormat, v.Tenant, v.Function, v.Version, v.content(), v.Shape, v.Size, v.Deployed.UTC()})
}

func (c *versionContent) durations() (timeout, cpu time.Duration, err error) {
	if timeout, err = time.ParseDuration(c.Timeout); err != nil {
		return 0, 0, fmt.Errorf("%w: timeout: %w", ErrCorrupt, err)
	}
	if c.CPU == "" {
		return timeout, 0, nil
	}
	if cpu, err = time.ParseDuration(c.CPU); err != nil {
		return 0, 0, fmt.Errorf("%w: cpu: %w", ErrCorrupt, err)
	}
	return timeout, cpu, nil
}

func decodeVersion(k recordKey, data []byte) (*Version, error) {
	var r versionRecord
	if err := decode(data, &r); err != nil {
		return nil, err
	}
	timeout, cpu, err := r.durations()
	if err != nil {
		return nil, err
	}
	v := &Version{r.Tenant, r.Function, r.Version, r.Digest, r.SourceMap, r.Shape, r.Memory, timeout, r.Concurrency,
		r.Isolation, cpu, r.Policy, r.PolicyDigest, r.Public, r.Environment, r.Assets, r.Secrets, r.Size, r.Deployed.UTC()}
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if v.key() != k {
		return nil, fmt.Errorf("%w: it is of version %s of %s/%s", ErrCorrupt, v.Version, v.Tenant, v.Function)
	}
	return v, nil
}
