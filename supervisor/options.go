package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// What a function gets when its FunctionSpec does not say.
const (
	DefaultMemory      = 5 << 20 // bytes
	DefaultTimeout     = 5 * time.Second
	DefaultConcurrency = 4
	DefaultIsolation   = Fresh
)

// The least that a function may ask for. The most is its tenant's Tier.
const (
	MinMemory  = 1 << 20 // bytes
	MinTimeout = time.Millisecond
)

// What a tenant gets when it does not say.
const (
	DefaultPolicy = "compute"
	DefaultTier   = "default"
)

// What the supervisor does when its Options do not say.
const (
	DefaultSpares       = 2
	DefaultMaxProcesses = 256
	DefaultIdleTTL      = 5 * time.Minute
	DefaultGrace        = 250 * time.Millisecond
	DefaultStartTimeout = 5 * time.Second
	DefaultLoadTimeout  = time.Second
	DefaultMaxQueue     = 64
	DefaultMaxSnapshots = 1 << 30 // bytes
	DefaultKeepVersions = 20
)

// maxKeepVersions bounds what the registry holds of a function in memory.
const maxKeepVersions = 1000

// Tier is what an operator sells: the ceilings of a tenant's functions. A zero
// field means the default tier's value.
type Tier struct {
	MaxMemory      int64         `json:"max_memory"`      // bytes; default 64 MiB
	MaxTimeout     time.Duration `json:"max_timeout"`     // default 30 s
	MaxConcurrency int           `json:"max_concurrency"` // default 32
	MaxFunctions   int           `json:"max_functions"`   // default 100
	MaxCode        int           `json:"max_code"`        // bytes; default 1 MiB, at most 3 MiB
	// KeepVersions is how many of a function's newest versions are kept;
	// default DefaultKeepVersions. Those with an alias or a part in a split, the
	// previous live one and those that run are kept beside.
	KeepVersions int `json:"keep_versions"`
	// Policy names the policy that none of the tier's tenants can go beyond.
	// Default: none, so that only the tenants' own hold.
	Policy string `json:"policy,omitempty"`
}

// maxCode is what still fits into one frame with everything around it.
const maxCode = 3 << 20

var defaultTier = Tier{
	MaxMemory:      64 << 20,
	MaxTimeout:     30 * time.Second,
	MaxConcurrency: 32,
	MaxFunctions:   100,
	MaxCode:        1 << 20,
	KeepVersions:   DefaultKeepVersions,
}

func (t Tier) withDefaults() Tier {
	return Tier{
		MaxMemory:      orDefault(t.MaxMemory, defaultTier.MaxMemory),
		MaxTimeout:     orDefault(t.MaxTimeout, defaultTier.MaxTimeout),
		MaxConcurrency: orDefault(t.MaxConcurrency, defaultTier.MaxConcurrency),
		MaxFunctions:   orDefault(t.MaxFunctions, defaultTier.MaxFunctions),
		MaxCode:        orDefault(t.MaxCode, defaultTier.MaxCode),
		KeepVersions:   orDefault(t.KeepVersions, defaultTier.KeepVersions),
		Policy:         t.Policy,
	}
}

func (t Tier) validate(name string) error {
	switch {
	case !validName(name):
		return fmt.Errorf("tier %q: %s", name, nameRule)
	case t.MaxMemory < MinMemory || t.MaxMemory > 4<<30:
		return fmt.Errorf("tier %q: max_memory is %d bytes; it must be 1 MiB to 4 GiB", name, t.MaxMemory)
	case t.MaxTimeout < MinTimeout:
		return fmt.Errorf("tier %q: max_timeout is %v; it must be at least %v", name, t.MaxTimeout, MinTimeout)
	case t.MaxConcurrency < 1 || t.MaxConcurrency > 1024:
		return fmt.Errorf("tier %q: max_concurrency is %d; it must be 1 to 1024", name, t.MaxConcurrency)
	case t.MaxFunctions < 1:
		return fmt.Errorf("tier %q: max_functions is %d; it must be at least 1", name, t.MaxFunctions)
	case t.KeepVersions < 1 || t.KeepVersions > maxKeepVersions:
		return fmt.Errorf("tier %q: keep_versions is %d; it must be 1 to %d", name, t.KeepVersions, maxKeepVersions)
	case t.MaxCode < 1 || t.MaxCode > maxCode:
		return fmt.Errorf("tier %q: max_code is %d bytes; it must be 1 to %d", name, t.MaxCode, maxCode)
	}
	return nil
}

// Pattern is something that deployed code must not contain.
type Pattern struct {
	Name   string
	Regexp *regexp.Regexp
	// Reason is for the person whose code is refused.
	Reason string
}

// Options configure a Supervisor. The zero value works when a sandbox binary
// lies beside the running program: nothing is kept after Close, and functions
// may call no platform API.
type Options struct {
	// DataDir keeps tenants and functions. It must be used by one supervisor
	// at a time. Empty means a temporary directory that Close removes.
	DataDir string
	// SandboxBinary is the sandbox program. Empty means the file "sandbox" in
	// the directory of the running program.
	SandboxBinary string
	// CacheDir keeps the engine's compiled code between starts; it may be
	// deleted at any time. Empty means "cache" in DataDir or, without one,
	// "bulkhead" in the user's cache directory.
	CacheDir string

	// APIs are what functions may call, as far as their tenant's policy goes.
	APIs []platform.API
	// Policies are those that tenants may name beside the shipped presets.
	Policies []*policies.Policy
	// Tiers are those that tenants may name. "default" always exists.
	Tiers map[string]Tier
	// Environment, if not nil, says what a function is configured with beside
	// its code: a deploy makes it part of the version.
	Environment Environment
	// Forbidden patterns are looked for in code at deploy.
	Forbidden []Pattern

	// Spares is the number of processes kept started for the next tenant.
	// 0 means DefaultSpares, negative none.
	Spares int
	// MaxProcesses is the most sandbox processes at once. When it is reached,
	// the idle tenant that was used least recently loses its process.
	MaxProcesses int
	// IdleTTL is how long a tenant's process is kept without an invocation.
	IdleTTL time.Duration
	// Grace is what a sandbox gets beyond a deadline or a cancel before it is
	// killed.
	Grace time.Duration
	// StartTimeout is how long a process may take to be ready. The first one
	// gets at least 30 s, for it may have to compile the engine.
	StartTimeout time.Duration
	// LoadTimeout is how long a function's top level may run.
	LoadTimeout time.Duration
	// AuditSize is how large a file of the audit log becomes, in MiB, and
	// AuditKeep how many are kept beside the one that is written. Defaults:
	// those of the audit log, 64 MiB and 8. Without a DataDir there are no
	// files.
	AuditSize, AuditKeep int
	// MaxQueue is how many invocations of one function may wait for its
	// concurrency; one more is refused.
	MaxQueue int
	// MaxSnapshots is how many bytes the snapshots in DataDir may take: with
	// its snapshot, a function's top level is evaluated once, when it is
	// deployed, and not in every process. Those that were used least recently
	// go first, and first of tenants that take more than a quarter. 0 means DefaultMaxSnapshots, negative none.
	MaxSnapshots int64

	// Logger gets what the operator should know. Nothing that a tenant does
	// is logged above info. Nil means slog.Default().
	Logger *slog.Logger
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// resolve returns o with every default filled in, or what is wrong with it.
func (o Options) resolve() (Options, error) {
	o.Spares = max(orDefault(o.Spares, DefaultSpares), 0)
	o.MaxProcesses = orDefault(o.MaxProcesses, DefaultMaxProcesses)
	o.IdleTTL = orDefault(o.IdleTTL, DefaultIdleTTL)
	o.Grace = orDefault(o.Grace, DefaultGrace)
	o.StartTimeout = orDefault(o.StartTimeout, DefaultStartTimeout)
	o.LoadTimeout = orDefault(o.LoadTimeout, DefaultLoadTimeout)
	o.MaxQueue = orDefault(o.MaxQueue, DefaultMaxQueue)
	o.MaxSnapshots = orDefault(o.MaxSnapshots, DefaultMaxSnapshots)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	var errs []error
	if o.MaxProcesses < 1 {
		errs = append(errs, fmt.Errorf("MaxProcesses is %d; it must be at least 1", o.MaxProcesses))
	}
	if o.MaxQueue < 0 {
		errs = append(errs, fmt.Errorf("MaxQueue is %d; it must not be negative", o.MaxQueue))
	}
	for name, d := range map[string]time.Duration{
		"IdleTTL": o.IdleTTL, "Grace": o.Grace, "StartTimeout": o.StartTimeout, "LoadTimeout": o.LoadTimeout,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v; it must be positive", name, d))
		}
	}
	tiers := map[string]Tier{DefaultTier: defaultTier}
	for name, tier := range o.Tiers {
		tiers[name] = tier.withDefaults()
		errs = append(errs, tiers[name].validate(name))
	}
	o.Tiers = tiers
	for _, p := range o.Forbidden {
		if p.Name == "" || p.Regexp == nil {
			errs = append(errs, errors.New("a forbidden pattern needs a name and a regular expression"))
		}
	}
	errs = append(errs, checkAPIs(o.APIs))
	if err := errors.Join(errs...); err != nil {
		return o, &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err}
	}
	var err error
	o.SandboxBinary, err = findSandbox(o.SandboxBinary)
	return o, err
}

func checkAPIs(apis []platform.API) error {
	var names []string
	var errs []error
	for _, api := range apis {
		if err := platform.CheckName(api.Name, names); err != nil {
			errs = append(errs, fmt.Errorf("platform API: %w", err))
		} else if api.Func == nil {
			errs = append(errs, fmt.Errorf("platform API %q has no Func", api.Name))
		}
		names = append(names, api.Name)
	}
	return errors.Join(errs...)
}

func findSandbox(path string) (string, error) {
	remedy := "build both with `make build`, or name it with --sandbox-bin (Options.SandboxBinary)"
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", &outcome.Error{Outcome: outcome.Invalid, Detail: "cannot tell where this program lies, to find the sandbox binary beside it", Remedy: remedy, Err: err}
		}
		path = filepath.Join(filepath.Dir(self), "sandbox")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", &outcome.Error{Outcome: outcome.Invalid, Detail: "sandbox binary: " + err.Error(), Remedy: remedy, Err: err}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", &outcome.Error{Outcome: outcome.Invalid, Detail: "no sandbox binary at " + path, Remedy: remedy, Err: err}
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return "", &outcome.Error{Outcome: outcome.Invalid, Detail: "the sandbox binary " + path + " is not an executable file", Remedy: remedy}
	}
	return path, nil
}
