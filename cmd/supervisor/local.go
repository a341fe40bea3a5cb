package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/secrets"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// localTenant is whose functions run and learn run.
const localTenant = "local"

// local is a supervisor of this command's own. Functions have every platform
// API; what they store is below one directory, and goes when that does.
type local struct {
	*supervisor.Supervisor
	conf config
	apis *apis
	own  *ownAPIs
}

func localFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "configuration `FILE` of serve: its policies, own APIs and limits; not its data"},
		&cli.StringSliceFlag{Name: "env", Usage: "a variable for env.get, as `NAME=VALUE`; may be repeated"},
		&cli.StringSliceFlag{Name: "secret", Usage: "a secret for secrets.get that may be sent to a host, as `NAME=HOST`; its value is that of the environment variable NAME; may be repeated"},
		sandboxFlag(), databaseFlag(),
	}
}

// localSetup is what a command changes of a local supervisor.
type localSetup struct {
	// change, if not nil, is called with the configuration before it is used;
	// options with the options that were made of it.
	change  func(*config) error
	options func(*supervisor.Options)
	apis    []platform.API // beside the usual ones
	logger  *slog.Logger   // default: what goes wrong is in the errors alone
}

// openLocal starts one with the flags of localFlags, and keeps everything in
// dir. The caller closes it, and removes dir if it is temporary.
func openLocal(c *cli.Context, dir string, setup localSetup) (_ *local, err error) {
	l := &local{}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if path := c.String("config"); path != "" {
		if l.conf, err = loadConfig(path); err != nil {
			return nil, err
		}
	}
	if setup.change != nil {
		if err := setup.change(&l.conf); err != nil {
			return nil, err
		}
	}
	options, err := l.conf.options()
	if err != nil {
		return nil, err
	}
	// The operator's data and keys are not this command's.
	l.conf.Postgres = postgresConfig{}
	if c.IsSet("database-bin") {
		l.conf.DatabaseBin = c.String("database-bin")
	}
	l.conf.Storage.URL, l.conf.Secrets.KeyFile = "", filepath.Join(dir, "secrets.key")
	if _, err := os.Stat(l.conf.Secrets.KeyFile); err != nil {
		if err := os.WriteFile(l.conf.Secrets.KeyFile, []byte(secrets.NewKey()), 0o600); err != nil {
			return nil, err
		}
	}
	logger := setup.logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	if l.apis, err = openAPIs(c.Context, l.conf, dir, nil, nil, logger); err != nil {
		return nil, err
	}
	if l.own, err = openOwnAPIs(c.Context, l.conf, l.apis.list, logger); err != nil {
		return nil, err
	}
	if err := l.give(c); err != nil {
		return nil, err
	}
	options.DataDir, options.Logger = dir, logger
	options.APIs = slices.Concat(l.apis.list, l.own.list, setup.apis)
	options.Spares, options.MaxProcesses, options.MaxSnapshots = 1, 1, -1
	options.AuditSize = maxLearned >> 20
	if cache, err := os.UserCacheDir(); err == nil {
		options.CacheDir = filepath.Join(cache, "bulkhead")
	}
	if c.IsSet("sandbox-bin") {
		options.SandboxBinary = c.String("sandbox-bin")
	}
	if setup.options != nil {
		setup.options(&options)
	}
	if l.Supervisor, err = supervisor.New(c.Context, options); err != nil {
		return nil, err
	}
	l.apis.data.supervisor.Store(l.Supervisor)
	return l, nil
}

// give stores the variables and secrets of the flags.
func (l *local) give(c *cli.Context) error {
	vars := map[string]string{}
	for _, pair := range c.StringSlice("env") {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return usagef("--env: %q is not NAME=VALUE", pair)
		}
		vars[name] = value
	}
	if err := l.apis.data.PutVars(localTenant, "", vars); err != nil {
		return err
	}
	hosts := map[string][]string{}
	for _, pair := range c.StringSlice("secret") {
		name, host, found := strings.Cut(pair, "=")
		if !found || name == "" || host == "" {
			return &usageError{message: "--secret is not NAME=HOST", hint: "its value is read from the environment: API_KEY=... supervisor run hook.js --secret API_KEY=api.example.com"}
		}
		hosts[name] = append(hosts[name], host)
	}
	for name, hosts := range hosts {
		value, ok := os.LookupEnv(name)
		if !ok {
			return usagef("--secret: there is no environment variable %s with its value", name)
		}
		info := secrets.Info{Name: name, Hosts: hosts}
		if err := l.apis.data.secrets.Set(localTenant, info, secrets.NewSecret(value)); err != nil {
			return settingsError(err, "the secret was refused", "secret "+name)
		}
	}
	return nil
}

// policy returns a policy of the configuration, a preset, or that of a file.
func (l *local) policy(name string) (*policies.Policy, error) {
	list, err := l.conf.policies()
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		if p.Name() == name {
			return p, nil
		}
	}
	return findPolicy(name)
}

// once runs a function with one event. What went wrong names no tenant, since
// there is none but this one.
func (l *local) once(c *cli.Context, spec supervisor.FunctionSpec, policy *policies.Policy, event []byte) (supervisor.Result, error) {
	r, err := l.Run(c.Context, spec, policy, event)
	var e *outcome.Error
	if errors.As(err, &e) && e.Tenant == localTenant {
		anonymous := *e
		anonymous.Tenant, anonymous.Function = "", ""
		err = &anonymous
	}
	return r, err
}

// Close ends what runs; then the audit log in the directory is complete.
func (l *local) Close() error {
	var errs []error
	if l.Supervisor != nil {
		errs = append(errs, l.Supervisor.Close())
	}
	if l.own != nil {
		l.own.Close()
	}
	if l.apis != nil {
		errs = append(errs, l.apis.Close())
	}
	return errors.Join(errs...)
}

// temporary calls do with a directory that it removes afterwards.
func temporary(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "bulkhead-")
	if err != nil {
		return &outcome.Error{Outcome: outcome.Internal, Detail: "cannot make a temporary directory: " + err.Error(), Err: err}
	}
	defer os.RemoveAll(dir)
	return do(dir)
}
