package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
	"github.com/bulkhead-run/bulkhead/value"
)

// devFolder, in the project's folder, keeps what functions store between two
// runs of dev.
const devFolder = ".bulkhead"

func devCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "dev", Usage: "work on functions: run a folder's functions in sandboxes, and reload them on save", ArgsUsage: "[DIR]",
		Description: "Serves the functions of DIR (default: this folder) on loopback, as the tenant \"" + localTenant + "\", in the same sandboxes and\n" +
			"under the same limits as serve does. A function is a source file, a folder with a package.json, or what bulkhead.yaml\n" +
			"lists. What they store lies in DIR/" + devFolder + " and stays. Ctrl-C ends it. With --json, each event is a line of JSON.\n" +
			"  supervisor dev                                            # in a folder that supervisor init has made\n" +
			"  supervisor dev --tier free --config /etc/bulkhead/bulkhead.yaml   # under production's limits and policies",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "`ADDR` of the HTTP API", DefaultText: "the port of the last time, or a free one"},
			&cli.StringFlag{Name: "functions-listen", Usage: "`ADDR` where functions answer HTTP requests", DefaultText: "the port of the last time, or a free one"},
			&cli.StringFlag{Name: "tier", Usage: "`NAME` of the tier whose limits hold: one of --config's"},
			&cli.StringFlag{Name: "policy", Usage: "what the functions may call: a policy's `NAME`; goes before bulkhead.yaml", DefaultText: supervisor.DefaultPolicy},
		}, localFlags()...),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "[DIR]")
			if err != nil {
				return err
			}
			dir := args[0]
			if dir == "" {
				dir = "."
			}
			return dev(t, c, dir)
		},
	}
}

// devServer is a supervisor that runs the functions of a folder.
type devServer struct {
	*local
	c     *cli.Context
	out   *devOutput
	dir   string // as the user named it
	p     *projectDir
	gate  devGate
	built map[string]*devFunction
}

func dev(t *terminal, c *cli.Context, dir string) (err error) {
	p, err := openProject(dir)
	if err != nil {
		return err
	}
	data, err := openDevFolder(p.dir)
	if err != nil {
		return err
	}
	d := &devServer{c: c, dir: dir, p: p, built: map[string]*devFunction{}}
	d.out = &devOutput{t: t, d: d}
	d.local, err = openLocal(c, data, localSetup{
		logger: slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{Level: slog.LevelError})),
		change: func(conf *config) error { return p.configure(conf) },
		options: func(o *supervisor.Options) {
			o.Watch, o.Spares, o.MaxProcesses, o.MaxSnapshots, o.AuditSize = d.out.watch, 2, 0, 64<<20, 0
		},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	defer d.closeBuilds()
	// What an older bulkhead.yaml had must not stand in the way of this one.
	if old, err := d.Functions(localTenant); err == nil {
		for _, f := range old {
			if err := d.DeleteFunction(c.Context, localTenant, f.Function); err != nil {
				return err
			}
		}
	}
	if err := d.apply(p); err != nil {
		return err
	}
	w, err := d.watch()
	if err != nil {
		return err
	}
	defer w.close()
	ln, err := devListen(c, "listen", data)
	if err != nil {
		return err
	}
	functions, err := devListen(c, "functions-listen", data)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	g, err := gateway.New(&devBackend{d.Supervisor, &d.gate}, gateway.Options{
		Version: versionString(), Logger: slog.New(slog.DiscardHandler), MaxCode: d.conf.maxCode(), Settings: d.apis.data,
		ShutdownTimeout: 2 * time.Second,
	})
	if err != nil {
		return errors.Join(err, ln.Close(), functions.Close())
	}
	d.out.ready("http://"+ln.Addr().String(), "http://"+functions.Addr().String(), p)
	return bothServe(c.Context, func(ctx context.Context) error { return g.Serve(ctx, ln) },
		func(ctx context.Context) error { return g.ServeFunctions(ctx, functions) })
}

// openDevFolder makes the folder for what functions store, which git ignores.
func openDevFolder(dir string) (string, error) {
	data, err := makeDataDir(filepath.Join(dir, devFolder))
	if err != nil {
		return "", err
	}
	ignore := filepath.Join(data, ".gitignore")
	if _, err := os.Stat(ignore); err != nil {
		if err := os.WriteFile(ignore, []byte("# What functions store while they are worked on.\n*\n"), 0o600); err != nil {
			return "", usagef("cannot write %s: %v", ignore, plain(err))
		}
	}
	return data, nil
}

// devListen listens where a flag says, or on the port of the last time.
func devListen(c *cli.Context, flag, data string) (net.Listener, error) {
	if c.IsSet(flag) {
		return gateway.Listen(c.String(flag), false)
	}
	file := filepath.Join(data, flag)
	if last, err := os.ReadFile(file); err == nil {
		if ln, err := gateway.Listen(strings.TrimSpace(string(last)), false); err == nil {
			return ln, nil
		}
	}
	ln, err := gateway.Listen("127.0.0.1:0", false)
	if err == nil {
		_ = os.WriteFile(file, []byte(ln.Addr().String()+"\n"), 0o600) // the next run takes another port then
	}
	return ln, err
}

// configure puts the project's policies beside the configuration's.
func (p *projectDir) configure(conf *config) error {
	for _, path := range p.Policies {
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.dir, path)
		}
		conf.Policies = append(slices.Clone(conf.Policies), path)
	}
	return nil
}

// apply makes a project the one that is served.
func (d *devServer) apply(p *projectDir) error {
	conf := d.conf
	if d.p != p {
		var err error
		if conf, err = devConfig(d.c, p); err != nil {
			return err
		}
	}
	list, err := conf.policies()
	if err != nil {
		return err
	}
	if err := d.SetPolicies(d.c.Context, list); err != nil {
		return err
	}
	policy, tier := p.Policy, p.Tier
	if d.c.IsSet("policy") {
		policy = d.c.String("policy")
	}
	if d.c.IsSet("tier") {
		tier = d.c.String("tier")
	}
	if _, err := d.PutTenant(d.c.Context, supervisor.Tenant{Name: localTenant, Policy: policy, Tier: tier}); err != nil {
		return anonymous(err)
	}
	d.conf, d.p = conf, p
	if err := d.settings(); err != nil {
		return err
	}
	for name, f := range d.built {
		if to, still := p.Functions[name]; !still || to.Path != f.Path {
			f.session.Close()
			delete(d.built, name)
			if !still {
				if err := d.DeleteFunction(d.c.Context, localTenant, name); err != nil && outcome.Of(err) != outcome.NotFound {
					return err
				}
				d.out.removed(name)
			}
		}
	}
	for _, name := range p.names() {
		d.reload(name, p.Functions[name], time.Now())
	}
	return d.c.Context.Err()
}

// devConfig is the configuration with a project's policies.
func devConfig(c *cli.Context, p *projectDir) (conf config, err error) {
	if path := c.String("config"); path != "" {
		if conf, err = loadConfig(path); err != nil {
			return conf, err
		}
	}
	return conf, p.configure(&conf)
}

// settings stores the project's variables and secrets; flags go before.
func (d *devServer) settings() error {
	vars := maps.Clone(d.p.Env)
	if vars == nil {
		vars = map[string]string{}
	}
	for _, pair := range d.c.StringSlice("env") {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	if err := d.apis.data.PutVars(localTenant, "", vars); err != nil {
		return err
	}
	for name, f := range d.p.Functions {
		if err := d.apis.data.PutVars(localTenant, name, f.Env); err != nil {
			return err
		}
	}
	values, missing, err := d.p.secretValues()
	if err != nil {
		return err
	}
	for name, value := range values {
		if err := d.apis.data.PutSecret(localTenant, secretOf(name, d.p.Secrets[name]), value); err != nil {
			return fmt.Errorf("secret %s: %w", name, err)
		}
	}
	for _, name := range missing {
		d.out.warn("", fmt.Sprintf("the secret %s has no value: set the environment variable %[1]s, or name a secrets_file in %s", name, projectName))
	}
	return nil
}

func secretOf(name string, s projectSecret) gateway.Secret {
	return gateway.Secret{Name: name, Hosts: s.Hosts, Reveal: s.Reveal}
}

// anonymous leaves the tenant out of an error where there is but one.
func anonymous(err error) error {
	var e *outcome.Error
	if !errors.As(err, &e) || e.Tenant != localTenant {
		return err
	}
	copied := *e
	copied.Tenant, copied.Function = "", ""
	return &copied
}

// devGate makes invocations wait while changed files become functions.
type devGate struct{ reloading gateState }

// devBackend is the supervisor, behind the gate.
type devBackend struct {
	*supervisor.Supervisor
	gate *devGate
}

func (b *devBackend) Invoke(ctx context.Context, tenant, function string, event json.RawMessage) (supervisor.Result, error) {
	b.gate.wait(ctx)
	return b.Supervisor.Invoke(ctx, tenant, function, event)
}

func (b *devBackend) Asset(ctx context.Context, tenant, function, path string) (*supervisor.Asset, error) {
	b.gate.wait(ctx)
	return b.Supervisor.Asset(ctx, tenant, function, path)
}

func (b *devBackend) ServeHTTP(ctx context.Context, tenant, function string, r *supervisor.HTTPRequest, ended func(supervisor.Result, error)) (*supervisor.HTTPResponse, error) {
	b.gate.wait(ctx)
	return b.Supervisor.ServeHTTP(ctx, tenant, function, r, ended)
}

func (b *devBackend) InvokeWatched(ctx context.Context, tenant, function string, event value.Wire, w supervisor.Watch) (supervisor.Result, error) {
	b.gate.wait(ctx)
	return b.Supervisor.InvokeWatched(ctx, tenant, function, event, w)
}

func (b *devBackend) InvokeValue(ctx context.Context, tenant, function string, event value.Wire) (supervisor.Result, error) {
	b.gate.wait(ctx)
	return b.Supervisor.InvokeValue(ctx, tenant, function, event)
}
