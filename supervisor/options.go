package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/confine"
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
	MinCPU     = time.Millisecond
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
	MaxCPU         time.Duration `json:"max_cpu"`         // CPU time of one invocation; default none
	MaxConcurrency int           `json:"max_concurrency"` // default 32
	MaxFunctions   int           `json:"max_functions"`   // default 100
	MaxCode        int           `json:"max_code"`        // bytes; default 1 MiB, at most 3 MiB
	// MaxAssets is how much a version's static files may take, with their names,
	// in bytes. Default and most 16 MiB.
	MaxAssets int `json:"max_assets"`
	// NoPublic forbids functions that answer HTTP requests without a token: such
	// versions are not deployed or made live, and those that are live ask for a
	// token from then on.
	NoPublic bool `json:"no_public,omitempty"`
	// KeepVersions is how many of a function's newest versions are kept;
	// default DefaultKeepVersions. Those with an alias or a part in a split, the
	// previous live one and those that run are kept beside.
	KeepVersions int `json:"keep_versions"`
	// CPU is how many processors a tenant may use over time: 0.5 is half of one.
	// With control groups the kernel slows the tenant's process down, without
	// them its invocations are refused once it has used more, and 5 s of that on
	// top. 0 is no limit.
	CPU float64 `json:"cpu"`
	// ProcessMemory is how much memory a tenant's process may take, all of its
	// instances and the engine together. Default: MaxConcurrency times MaxMemory,
	// and 192 MiB.
	ProcessMemory int64 `json:"process_memory"` // bytes
	// PIDs is how many threads a tenant's process may have. It needs control
	// groups. Default 128.
	PIDs int `json:"pids"`
	// Rate is how many invocations a tenant's callers may make in a second over
	// HTTP, Burst how many at once after a pause. Default: no rate, and a burst
	// of a second's.
	Rate  float64 `json:"rate,omitempty"`
	Burst int     `json:"burst,omitempty"`
	// MaxInflight is how many of them may be under way. Default 256.
	MaxInflight int `json:"max_inflight"`
	// Weight is the tenant's share of the machine beside others, when there is
	// not enough for all: twice the weight, twice the share. With control groups
	// the kernel holds the processes to it too. 1 to 1000, default 100.
	Weight int `json:"weight"`
	// Policy names the policy that none of the tier's tenants can go beyond.
	// Default: none, so that only the tenants' own hold.
	Policy string `json:"policy,omitempty"`
}

const (
	// minOverhead is the least that a process must be able to take beside one
	// instance: it starts with that much.
	minOverhead = 64 << 20
	// minPIDs is about twice what a busy process has.
	minPIDs = 32
)

// maxCode is what still fits into one frame with everything around it.
const maxCode = 3 << 20

var defaultTier = Tier{
	MaxMemory:      64 << 20,
	MaxTimeout:     30 * time.Second,
	MaxConcurrency: 32,
	MaxFunctions:   100,
	MaxCode:        1 << 20,
	MaxAssets:      assets.MaxTotal,
	KeepVersions:   DefaultKeepVersions,
	PIDs:           128,
	MaxInflight:    256,
	Weight:         100,
}

func (t Tier) withDefaults() Tier {
	t = Tier{
		MaxMemory:      orDefault(t.MaxMemory, defaultTier.MaxMemory),
		MaxTimeout:     orDefault(t.MaxTimeout, defaultTier.MaxTimeout),
		MaxCPU:         t.MaxCPU,
		MaxConcurrency: orDefault(t.MaxConcurrency, defaultTier.MaxConcurrency),
		MaxFunctions:   orDefault(t.MaxFunctions, defaultTier.MaxFunctions),
		MaxCode:        orDefault(t.MaxCode, defaultTier.MaxCode),
		MaxAssets:      orDefault(t.MaxAssets, defaultTier.MaxAssets),
		NoPublic:       t.NoPublic,
		KeepVersions:   orDefault(t.KeepVersions, defaultTier.KeepVersions),
		Rate:           t.Rate,
		Burst:          t.Burst,
		MaxInflight:    orDefault(t.MaxInflight, defaultTier.MaxInflight),
		Weight:         orDefault(t.Weight, defaultTier.Weight),
		Policy:         t.Policy,
		CPU:            t.CPU,
		ProcessMemory:  t.ProcessMemory,
		PIDs:           orDefault(t.PIDs, defaultTier.PIDs),
	}
	t.ProcessMemory = orDefault(t.ProcessMemory, t.MaxMemory*int64(t.MaxConcurrency)+processOverhead)
	return t
}

func (t Tier) validate(name string) error {
	switch {
	case !validName(name):
		return fmt.Errorf("tier %q: %s", name, nameRule)
	case t.MaxMemory < MinMemory || t.MaxMemory > 4<<30:
		return fmt.Errorf("tier %q: max_memory is %d bytes; it must be 1 MiB to 4 GiB", name, t.MaxMemory)
	case t.MaxTimeout < MinTimeout:
		return fmt.Errorf("tier %q: max_timeout is %v; it must be at least %v", name, t.MaxTimeout, MinTimeout)
	case t.MaxCPU != 0 && t.MaxCPU < MinCPU:
		return fmt.Errorf("tier %q: max_cpu is %v; it must be at least %v", name, t.MaxCPU, MinCPU)
	case t.MaxConcurrency < 1 || t.MaxConcurrency > 1024:
		return fmt.Errorf("tier %q: max_concurrency is %d; it must be 1 to 1024", name, t.MaxConcurrency)
	case !(t.CPU == 0 || t.CPU >= 0.01 && t.CPU <= 1024):
		return fmt.Errorf("tier %q: cpu is %g; it must be 0.01 to 1024 processors", name, t.CPU)
	case t.ProcessMemory < t.MaxMemory+minOverhead:
		return fmt.Errorf("tier %q: process_memory is %s; it must be at least max_memory and %s", name, formatBytes(t.ProcessMemory), formatBytes(minOverhead))
	case t.PIDs < minPIDs || t.PIDs > 1<<20:
		return fmt.Errorf("tier %q: pids is %d; it must be %d to %d", name, t.PIDs, minPIDs, 1<<20)
	case t.MaxFunctions < 1:
		return fmt.Errorf("tier %q: max_functions is %d; it must be at least 1", name, t.MaxFunctions)
	case t.KeepVersions < 1 || t.KeepVersions > maxKeepVersions:
		return fmt.Errorf("tier %q: keep_versions is %d; it must be 1 to %d", name, t.KeepVersions, maxKeepVersions)
	case !(t.Rate >= 0 && t.Rate <= 1e6):
		return fmt.Errorf("tier %q: rate is %v a second; it must be 0 to 1000000", name, t.Rate)
	case t.Burst < 0 || t.Burst > 1e6 || t.Burst > 0 && t.Rate == 0:
		return fmt.Errorf("tier %q: burst is %d; it must be 0 to 1000000, and goes with a rate", name, t.Burst)
	case t.MaxInflight < 1 || t.MaxInflight > 1e6:
		return fmt.Errorf("tier %q: max_inflight is %d; it must be 1 to 1000000", name, t.MaxInflight)
	case t.Weight < 1 || t.Weight > 1000:
		return fmt.Errorf("tier %q: weight is %d; it must be 1 to 1000", name, t.Weight)
	case t.MaxCode < 1 || t.MaxCode > maxCode:
		return fmt.Errorf("tier %q: max_code is %d bytes; it must be 1 to %d", name, t.MaxCode, maxCode)
	case t.MaxAssets < 1 || t.MaxAssets > assets.MaxTotal:
		return fmt.Errorf("tier %q: max_assets is %d bytes; it must be 1 to %d", name, t.MaxAssets, assets.MaxTotal)
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

	// Watch, if not nil, is asked for each invocation who looks on.
	Watch func(tenant, function, invocation string) Watch

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
	// gets at least 100 s, for it may have to compile the engine.
	StartTimeout time.Duration
	// LoadTimeout is how long a function's top level may run.
	LoadTimeout time.Duration
	// AuditSize is how large a file of the audit log becomes, in MiB, and
	// AuditKeep how many are kept beside the one that is written. Defaults:
	// those of the audit log, 64 MiB and 8. Without a DataDir there are no
	// files.
	AuditSize, AuditKeep int
	// UsageKeep is how long the hours of the usage ledger are kept: see ReadUsage.
	// Default 35 days. Without a DataDir it ends with the Supervisor.
	UsageKeep time.Duration
	// MaxQueue is how many invocations of one function may wait for its
	// concurrency; one more is refused.
	MaxQueue int
	// MaxRunning is how many invocations compute at once, twice as many of a
	// tenant that has been alone for a second; those that wait for host calls or
	// timers are not counted. Others wait for their turn, which comes by their
	// tenants' weights. Default: two for each processor.
	MaxRunning int
	// Below LowMemory of available memory no process is started and no deploy is
	// taken, below CriticalMemory no invocation either: Overloaded. Defaults: a
	// tenth of the memory and at most 1 GiB, and half of that.
	LowMemory, CriticalMemory int64
	// ReadMemory measures it. Default ReadMemory.
	ReadMemory func() (Memory, error)
	// MaxSnapshots is how many bytes the snapshots in DataDir may take: with
	// its snapshot, a function's top level is evaluated once, when it is
	// deployed, and not in every process. Those that were used least recently
	// go first, and first of tenants that take more than a quarter. 0 means DefaultMaxSnapshots, negative none.
	MaxSnapshots int64

	// TenantLabels is how many tenants have label values of their own in
	// Stats.ByTenant: the most active. 0 means 100, negative none.
	TenantLabels int
	// Tracer, if not nil, makes a span of every invocation, with spans for what
	// it waits for and for its host calls. Attributes that tenants choose are
	// clipped.
	Tracer trace.Tracer
	// Layers say which parts of the sandbox processes' lock-down are required,
	// preferred or off, by name. What is not there has its default: no-new-privileges,
	// not-dumpable, rlimits, capabilities and seccomp are required, the others
	// preferred. Supervisor.Layers tells what became of them.
	Layers LayerModes
	// SandboxUID is the first of the user and group ids that sandbox processes
	// take if the supervisor is root: each has one of its own, from here on. 0 means
	// DefaultSandboxUID.
	SandboxUID int
	// Cgroups, if not nil, is where each sandbox process gets a control group of
	// its own, with its tier's limits. It stays the caller's, who closes it after
	// the Supervisor. Without it, or where it lacks a controller, the supervisor
	// watches memory and CPU time itself, and the layer "cgroup" is missing. It is
	// not used when that layer is off.
	Cgroups *Cgroups
	// NoCgroups says why Cgroups is nil, for whoever looks at the layers.
	NoCgroups string

	// Logger gets what the operator should know. Nothing that a tenant does
	// is logged above info. Nil means slog.Default().
	Logger *slog.Logger
}

// kernelHas reports whether the kernel holds processes to what a controller
// limits.
func (o *Options) kernelHas(controller string) bool {
	return o.Cgroups != nil && o.Cgroups.Has(controller)
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
	if o.ReadMemory == nil {
		o.ReadMemory = ReadMemory
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.SandboxUID = orDefault(o.SandboxUID, DefaultSandboxUID)
	var errs []error
	if o.SandboxUID < 1 || o.SandboxUID > maxSandboxUID {
		errs = append(errs, fmt.Errorf("SandboxUID is %d; it must be 1 to %d", o.SandboxUID, maxSandboxUID))
	}
	if err := o.Layers.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("Layers: %w", err))
	}
	if o.Layers.For(confine.Cgroup) == confine.Off {
		o.Cgroups = nil
	}
	if o.LowMemory < 0 || o.CriticalMemory < 0 || o.LowMemory > 0 && o.CriticalMemory > o.LowMemory {
		errs = append(errs, fmt.Errorf("LowMemory is %d and CriticalMemory %d; they must not be negative, and the second not above the first", o.LowMemory, o.CriticalMemory))
	}
	if o.MaxProcesses < 1 {
		errs = append(errs, fmt.Errorf("MaxProcesses is %d; it must be at least 1", o.MaxProcesses))
	}
	if o.MaxQueue < 0 {
		errs = append(errs, fmt.Errorf("MaxQueue is %d; it must not be negative", o.MaxQueue))
	}
	if o.MaxRunning < 0 {
		errs = append(errs, fmt.Errorf("MaxRunning is %d; it must not be negative", o.MaxRunning))
	}
	if o.UsageKeep != 0 && o.UsageKeep < time.Hour {
		errs = append(errs, fmt.Errorf("UsageKeep is %v; it must be at least %v", o.UsageKeep, time.Hour))
	}
	for name, d := range map[string]time.Duration{
		"IdleTTL": o.IdleTTL, "Grace": o.Grace, "StartTimeout": o.StartTimeout, "LoadTimeout": o.LoadTimeout,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v; it must be positive", name, d))
		}
	}
	tiers, err := resolveTiers(o.Tiers)
	o.Tiers, errs = tiers, append(errs, err)
	for _, p := range o.Forbidden {
		if p.Name == "" || p.Regexp == nil {
			errs = append(errs, errors.New("a forbidden pattern needs a name and a regular expression"))
		}
	}
	errs = append(errs, checkAPIs(o.APIs))
	if err := errors.Join(errs...); err != nil {
		return o, &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err}
	}
	o.SandboxBinary, err = FindSandbox(o.SandboxBinary)
	return o, err
}

// cacheDir is where the compiled engine is kept, by a supervisor with this data
// directory.
func (o Options) cacheDir(data string, temporary bool) string {
	if o.CacheDir != "" {
		return o.CacheDir
	}
	if user, err := os.UserCacheDir(); err == nil && temporary {
		return filepath.Join(user, "bulkhead")
	}
	return filepath.Join(data, "cache")
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

// FindSandbox returns the path of the sandbox binary: path, if it is not empty,
// or that of the file beside this program. The error's outcome is Invalid when
// there is none that can be run.
func FindSandbox(path string) (string, error) {
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
