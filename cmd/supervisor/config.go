package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// config is the configuration file of serve. What it leaves out gets the
// default; a flag goes before it. examples/bulkhead.yaml explains each key.
type config struct {
	Listen      string `yaml:"listen"`
	Data        string `yaml:"data"`
	SandboxBin  string `yaml:"sandbox_bin"`
	DatabaseBin string `yaml:"database_bin"`

	PlainHTTP   bool              `yaml:"plain_http"`
	TLS         tlsConfig         `yaml:"tls"`
	Connections connectionsConfig `yaml:"connections"`
	Auth        authConfig        `yaml:"auth"`
	Functions   functionsConfig   `yaml:"functions"`

	Spares       *int     `yaml:"spares"`
	MaxProcesses int      `yaml:"max_processes"`
	MaxRunning   int      `yaml:"max_running"`
	IdleTTL      duration `yaml:"idle_ttl"`
	Grace        duration `yaml:"grace"`
	LoadTimeout  duration `yaml:"load_timeout"`
	MaxSnapshots size     `yaml:"max_snapshots"`
	LowMemory    size     `yaml:"low_memory"`
	CriticalMem  size     `yaml:"critical_memory"`

	Layers     layersConfig `yaml:"layers"`
	SandboxUID int          `yaml:"sandbox_uid"`

	Cgroup cgroupConfig `yaml:"cgroup"`
	// LogLevel is the flag's, unless that is given.
	LogLevel *slog.Level `yaml:"log_level"`

	Tiers     map[string]tierConfig `yaml:"tiers"`
	Forbidden []forbiddenConfig     `yaml:"forbidden"`
	// Policies is a directory of *.yaml, or a list of files; relative to the
	// configuration file.
	Policies paths `yaml:"policies"`

	APIs ownConfig `yaml:"apis"`
	// Versions is how many of a function's are kept.
	Versions versionsConfig `yaml:"versions"`

	Audit auditConfig `yaml:"audit"`
	Usage usageConfig `yaml:"usage"`
	Fetch fetchConfig `yaml:"fetch"`
	DB    dbConfig    `yaml:"db"`
	// Postgres, if it has a URL, keeps tenants' databases instead of SQLite.
	Postgres postgresConfig `yaml:"postgres"`

	KV      kvConfig      `yaml:"kv"`
	Storage storageConfig `yaml:"storage"`
	Queue   queueConfig   `yaml:"queue"`
	Secrets secretsConfig `yaml:"secrets"`
	Invoke  invokeConfig  `yaml:"invoke"`

	Metrics metricsConfig `yaml:"metrics"`
	Tracing tracingConfig `yaml:"tracing"`

	file string // its path
	dir  string // the path of its directory
}

type tierConfig struct {
	MaxMemory      size     `yaml:"max_memory"`
	MaxTimeout     duration `yaml:"max_timeout"`
	MaxCPU         duration `yaml:"max_cpu"`
	MaxConcurrency int      `yaml:"max_concurrency"`
	MaxFunctions   int      `yaml:"max_functions"`
	MaxCode        size     `yaml:"max_code"`
	MaxAssets      size     `yaml:"max_assets"`
	Public         *bool    `yaml:"public"`
	KeepVersions   int      `yaml:"keep_versions"`
	Rate           perTime  `yaml:"rate"`
	Burst          int      `yaml:"burst"`
	MaxInflight    int      `yaml:"max_inflight"`
	Weight         int      `yaml:"weight"`
	Policy         string   `yaml:"policy"`

	CPU           float64 `yaml:"cpu"`
	ProcessMemory size    `yaml:"process_memory"`
	PIDs          int     `yaml:"pids"`
}

type forbiddenConfig struct {
	Name    string `yaml:"name"`
	Pattern string `yaml:"pattern"`
	Reason  string `yaml:"reason"`
}

type auditConfig struct {
	MaxSize size `yaml:"max_size"`
	Keep    int  `yaml:"keep"`
}

type fetchConfig struct {
	MaxBody       size     `yaml:"max_body"`
	MaxConcurrent int      `yaml:"max_concurrent"`
	IdleTimeout   duration `yaml:"idle_timeout"`
	Proxy         proxy    `yaml:"proxy"`
}

type dbConfig struct {
	MaxProcesses int      `yaml:"max_processes"`
	MaxConns     int      `yaml:"max_conns"`
	MaxSize      size     `yaml:"max_size"`
	MaxMemory    size     `yaml:"max_memory"`
	MaxRows      int      `yaml:"max_rows"`
	MaxResult    size     `yaml:"max_result"`
	IdleTimeout  duration `yaml:"idle_timeout"`
	Grace        duration `yaml:"grace"`
}

type postgresConfig struct {
	URL              string   `yaml:"url"`
	KeyFile          string   `yaml:"key_file"`
	MaxTenants       int      `yaml:"max_tenants"`
	StatementTimeout duration `yaml:"statement_timeout"`
}

// size and duration are written with units, as on the command line; a proxy is a
// URL, or nothing.
type (
	size     int64
	duration time.Duration
	paths    []string
	proxy    string
	perTime  float64 // in a second
)

func (p *perTime) UnmarshalYAML(n *yaml.Node) error {
	v, err := gateway.ParseRate(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: %q is not a rate; write it like 100/s, 6000/m or 1000/h", n.Line, n.Value)
	}
	*p = perTime(v)
	return nil
}

func (s *size) UnmarshalYAML(n *yaml.Node) error {
	v, err := gateway.ParseSize(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || v <= 0 {
		return fmt.Errorf("line %d: %q is not a size above 0; write it like 5MiB", n.Line, n.Value)
	}
	*s = size(v)
	return nil
}

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration above 0; write it like 300ms or 5m", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

func (p *proxy) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value == "" {
		return nil
	}
	u, err := url.Parse(n.Value)
	// The value is not shown: it may hold a password.
	if err != nil || n.Kind != yaml.ScalarNode || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("line %d: proxy is not a proxy's URL; write it like http://proxy.internal:3128", n.Line)
	}
	if !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return fmt.Errorf("line %d: the proxy's scheme must be http, https or socks5", n.Line)
	}
	*p = proxy(n.Value)
	return nil
}

// url returns nil for no proxy.
func (p proxy) url() *url.URL {
	if p == "" {
		return nil
	}
	u, _ := url.Parse(string(p)) // which it has been before
	return u
}

func (p *paths) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*p = paths{n.Value}
		return nil
	}
	var list []string
	if err := n.Decode(&list); err != nil {
		return fmt.Errorf("line %d: policies is a directory, or a list of files", n.Line)
	}
	*p = list
	return nil
}

func loadConfig(path string) (config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return config{}, usagef("cannot read the configuration %s: %v", path, plain(err))
	}
	c, err := parseConfig(path, data)
	c.file, c.dir = path, filepath.Dir(path)
	return c, err
}

func parseConfig(name string, data []byte) (config, error) {
	var c config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(&c)
	if err == nil {
		if dec.Decode(&yaml.Node{}) != io.EOF {
			err = errors.New("there is more than one document")
		}
	}
	if err == nil || errors.Is(err, io.EOF) { // an empty file is all defaults
		return c, nil
	}
	return config{}, &outcome.Error{
		Outcome: outcome.Invalid, Detail: "the configuration " + name + " is wrong", Err: err,
		Problems: yamlProblems(name, err), Remedy: "see examples/bulkhead.yaml for every key",
	}
}

var (
	yamlLine    = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	yamlUnknown = regexp.MustCompile(`^field (\S+) not found in type main\.\w+$`)
	yamlType    = regexp.MustCompile("^cannot unmarshal !!(\\w+) (?:(`.*`) )?into (\\S+)$")
)

// yamlProblems words the library's errors for the person who wrote the file.
func yamlProblems(name string, err error) []outcome.Problem {
	messages := []string{err.Error()}
	var several *yaml.TypeError
	if errors.As(err, &several) {
		messages = several.Errors
	}
	var problems []outcome.Problem
	for _, m := range messages {
		p := outcome.Problem{Field: name, Reason: strings.TrimPrefix(m, "yaml: ")}
		if at := yamlLine.FindStringSubmatch(m); at != nil {
			p.Line, _ = strconv.Atoi(at[1])
			p.Column = 1
			p.Reason = m[len(at[0]):]
		}
		if unknown := yamlUnknown.FindStringSubmatch(p.Reason); unknown != nil {
			p.Reason = fmt.Sprintf("unknown key %q", unknown[1])
		}
		if wrong := yamlType.FindStringSubmatch(p.Reason); wrong != nil {
			p.Reason = fmt.Sprintf("%s is of the wrong type", strings.Trim(wrong[2], "`"))
			if wrong[2] == "" {
				p.Reason = "a " + wrong[1] + " does not belong here"
			}
		}
		problems = append(problems, p)
	}
	return problems
}

// options makes the supervisor's options, save for APIs and the logger.
func (c config) options() (supervisor.Options, error) {
	o := supervisor.Options{
		DataDir: c.Data, SandboxBinary: c.SandboxBin,
		MaxProcesses: c.MaxProcesses, MaxRunning: c.MaxRunning, LowMemory: int64(c.LowMemory), CriticalMemory: int64(c.CriticalMem), IdleTTL: time.Duration(c.IdleTTL), Grace: time.Duration(c.Grace),
		LoadTimeout: time.Duration(c.LoadTimeout), MaxSnapshots: int64(c.MaxSnapshots),
		Layers: c.Layers.modes(), SandboxUID: c.SandboxUID,
		Tiers:     c.tiers(),
		AuditSize: int((int64(c.Audit.MaxSize) + 1<<20 - 1) >> 20), AuditKeep: c.Audit.Keep,
		UsageKeep: time.Duration(c.Usage.Keep),
	}
	if c.Spares != nil {
		if o.Spares = *c.Spares; o.Spares == 0 {
			o.Spares = -1
		}
	}
	var problems []outcome.Problem
	for i, f := range c.Forbidden {
		pattern, err := regexp.Compile(f.Pattern)
		if err != nil || f.Pattern == "" || f.Name == "" {
			problems = append(problems, outcome.Problem{
				Field: fmt.Sprintf("forbidden[%d]", i), Reason: fmt.Sprintf("needs a name and a regular expression as pattern (%v)", err),
			})
			continue
		}
		o.Forbidden = append(o.Forbidden, supervisor.Pattern{Name: f.Name, Regexp: pattern, Reason: f.Reason})
	}
	if len(problems) > 0 {
		return o, &outcome.Error{Outcome: outcome.Invalid, Detail: "the configuration is wrong", Problems: problems}
	}
	var err error
	o.Policies, err = c.policies()
	return o, err
}

func (c config) tiers() map[string]supervisor.Tier {
	tiers := map[string]supervisor.Tier{}
	for name, t := range c.Tiers {
		tiers[name] = supervisor.Tier{
			MaxMemory: int64(t.MaxMemory), MaxTimeout: time.Duration(t.MaxTimeout), MaxCPU: time.Duration(t.MaxCPU),
			MaxConcurrency: t.MaxConcurrency, MaxFunctions: t.MaxFunctions, MaxCode: int(t.MaxCode),
			Rate: float64(t.Rate), Burst: t.Burst, MaxInflight: t.MaxInflight, Weight: t.Weight,
			Policy: t.Policy, KeepVersions: t.KeepVersions, MaxAssets: int(t.MaxAssets), NoPublic: isFalse(t.Public),
			CPU: t.CPU, ProcessMemory: int64(t.ProcessMemory), PIDs: t.PIDs,
		}
	}
	c.Versions.apply(tiers)
	return tiers
}

// policyFiles returns the files that hold policies. Those named *.test.yaml
// are their tests.
func (c config) policyFiles() ([]string, error) {
	var files []string
	for _, path := range c.Policies {
		path = c.path(path)
		info, err := os.Stat(path)
		if err != nil {
			return nil, usagef("cannot read the policies %s: %v", path, plain(err))
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isPolicyFile(p) {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, usagef("cannot read the policies %s: %v", path, plain(err))
		}
	}
	return files, nil
}

func isPolicyFile(path string) bool {
	ext := filepath.Ext(path)
	return (ext == ".yaml" || ext == ".yml") && !isCases(path)
}

// path makes a path of the file relative to it. A URL and "" stay as they are.
func (c config) path(p string) string {
	if p == "" || filepath.IsAbs(p) || strings.Contains(p, "://") {
		return p
	}
	return filepath.Join(c.dir, p)
}

// maxCode is the largest code that any tier allows.
func (c config) maxCode() int64 {
	most := int64(1 << 20)
	for _, t := range c.Tiers {
		most = max(most, int64(t.MaxCode))
	}
	return most
}

// defaultDataDir is where serve keeps its state unless told otherwise.
func defaultDataDir() (string, error) {
	if dir := serviceDir("STATE_DIRECTORY"); dir != "" {
		return dir, nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/bulkhead", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bulkhead"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("there is no home directory to keep data in; name one with --data")
	}
	return filepath.Join(home, ".local", "share", "bulkhead"), nil
}

// serviceDir is a directory that systemd has made for the service, the first of
// them if it has made several, or "".
func serviceDir(variable string) string {
	dir, _, _ := strings.Cut(os.Getenv(variable), ":")
	return dir
}
