package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const defaultListen = "127.0.0.1:8420"

func serveCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "run the supervisor and its HTTP API",
		Description: "Prints one line when it is ready. SIGTERM and SIGINT drain: what runs may finish, what comes is refused; a second one ends at once.\n" +
			"With a socket from systemd (or another manager that passes one) it listens on that; what comes while it drains waits there for the next supervisor.\n" +
			"SIGHUP reads the configuration again: policies, tiers and log_level change, the rest needs a restart. Policies are also read again when their files change. As long as something is wrong, the old ones hold.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Usage: "`ADDR` of the HTTP API", DefaultText: defaultListen},
			functionsFlag(),
			&cli.BoolFlag{Name: "plain-http", Usage: "listen without TLS where other machines reach the API: a proxy in front does it"},
			&cli.StringFlag{Name: "data", Usage: "`DIR` that keeps functions, tenants and their data", DefaultText: "$STATE_DIRECTORY, ~/.local/share/bulkhead, or /var/lib/bulkhead for root"},
			&cli.StringFlag{Name: "config", Usage: "configuration `FILE`; flags go before it"},
			sandboxFlag(),
			databaseFlag(),
			&cli.DurationFlag{Name: "drain-timeout", Usage: "how long what runs may take to finish", Value: 30 * time.Second},
			&cli.StringFlag{Name: "log-format", Usage: "text or json", Value: "text"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error", Value: "info"},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			level := new(slog.LevelVar)
			logger, err := newLogger(t, c, level)
			if err != nil {
				return err
			}
			conf, err := serveConfig(c)
			if err != nil {
				return err
			}
			return serve(t, c, conf, level, logger)
		},
	}
}

// serveConfig reads the file and puts the flags on top.
func serveConfig(c *cli.Context) (conf config, err error) {
	if path := c.String("config"); path != "" {
		if conf, err = loadConfig(path); err != nil {
			return conf, err
		}
	}
	for name, value := range map[string]*string{"listen": &conf.Listen, "functions-listen": &conf.Functions.Listen, "data": &conf.Data, "sandbox-bin": &conf.SandboxBin, "database-bin": &conf.DatabaseBin} {
		if c.IsSet(name) {
			*value = c.String(name)
		}
	}
	conf.PlainHTTP = conf.PlainHTTP || c.Bool("plain-http")
	if conf.Listen == "" {
		conf.Listen = defaultListen
	}
	if conf.Data == "" {
		conf.Data, err = defaultDataDir()
	}
	return conf, err
}

func newLogger(t *terminal, c *cli.Context, level *slog.LevelVar) (*slog.Logger, error) {
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return nil, usagef("--log-level: %q is none of debug, info, warn and error", c.String("log-level"))
	}
	o := &slog.HandlerOptions{Level: level}
	var handler func(io.Writer) slog.Handler
	switch format := c.String("log-format"); format {
	case "text":
		handler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, o) }
	case "json":
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(plainjson.NewWriter(w), o) }
	default:
		return nil, usagef("--log-format: %q is neither text nor json", format)
	}
	if isJournal() {
		return slog.New(newJournalHandler(t.err, handler)), nil
	}
	return slog.New(handler(t.err)), nil
}

func orInfo(level *slog.Level) slog.Level {
	if level == nil {
		return slog.LevelInfo
	}
	return *level
}

// makeDataDir makes the directory, readable by nobody else, and proves that it
// can be written to.
func makeDataDir(dir string) (string, error) {
	wrong := func(err error) error {
		return &outcome.Error{
			Outcome: outcome.Invalid, Err: err, Detail: fmt.Sprintf("cannot use the data directory %s: %v", dir, plain(err)),
			Remedy: "make it a directory that this user may write to, or name another with --data",
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", wrong(err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", wrong(err)
	}
	probe, err := os.CreateTemp(abs, ".probe-")
	if err != nil {
		return "", wrong(err)
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", wrong(err)
	}
	return abs, nil
}

func serve(t *terminal, c *cli.Context, conf config, level *slog.LevelVar, logger *slog.Logger) (err error) {
	holdThreads(serveThreads)
	shortenSlices()
	setLevel := func(conf config) {
		if !c.IsSet("log-level") {
			level.Set(orInfo(conf.LogLevel))
		}
	}
	setLevel(conf)
	options, err := conf.options()
	if err != nil {
		return err
	}
	if options.DataDir, err = makeDataDir(conf.Data); err != nil {
		return err
	}
	access, err := openAccess(conf, options.DataDir, logger)
	if err != nil {
		return err
	}
	defer access.tokens.Close()
	functionOptions, err := conf.Functions.options()
	if err != nil {
		return err
	}
	options.CacheDir = serviceDir("CACHE_DIRECTORY")
	m, err := serviceManager(conf.Listen, conf.Functions.Listen, access.exposed(conf.PlainHTTP), logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close(err)) }()
	if options.Cgroups, options.NoCgroups, err = openCgroups(conf, logger); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeCgroups(options.Cgroups)) }()
	traces, err := openTracing(c.Context, conf, logger)
	if err != nil {
		return err
	}
	defer closeTracing(c.Context, traces, logger)
	options.Tracer, options.TenantLabels = traces.Tracer(), conf.Metrics.labels()
	apis, err := openAPIs(c.Context, conf, options.DataDir, options.Cgroups, traces, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, apis.Close()) }()
	own, err := openOwnAPIs(c.Context, conf, apis.list, logger)
	if err != nil {
		return err
	}
	defer own.Close()
	options.APIs, options.Logger = append(apis.list, own.list...), logger
	options.Environment = environment{apis.data}
	s, err := supervisor.New(c.Context, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	warnDegraded(s.Layers(), logger)
	apis.data.supervisor.Store(s)
	reload, err := watchConfig(conf, s, setLevel, func(do func()) { m.reload(s, do) }, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reload.close()) }()
	g, err := gateway.New(s, gateway.Options{
		Version: versionString(), Logger: logger, MaxCode: conf.maxCode(), Settings: apis.data, Collectors: append(apis.collectors, traceCollectors(traces)...), Tracer: traces.Tracer(),
		Tokens: access.tokens, RequireAuth: conf.Auth.Required, TLS: access.tls,
		MaxConnections: conf.Connections.Max, MaxPerAddress: conf.Connections.MaxPerAddress, MaxBodies: int64(conf.Connections.MaxBodies),
		Functions: functionOptions, ShutdownTimeout: m.shutdownTimeout(c.Duration("drain-timeout")),
	})
	if err != nil {
		return err
	}
	// Only now, since the data directory is locked.
	admin, err := gateway.ListenAdmin(access.socket, access.group, logger)
	if err != nil {
		return err
	}
	defer admin.Close()
	access.explain(conf, m.ln, logger)
	return serveUntilSignal(t, c, s, g, m, access, admin, options.DataDir, logger)
}

// serveUntilSignal answers requests until the command's context ends, which
// the first signal does, and then drains.
func serveUntilSignal(t *terminal, c *cli.Context, s *supervisor.Supervisor, g *gateway.Server, m *manager, access *access, admin net.Listener, data string, logger *slog.Logger) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(c.Context))
	defer stopServing()
	ended := make(chan error, 1)
	go func() { ended <- access.serveAll(serving, g, m.ln, admin, m.functions) }()

	url := access.url(m.ln)
	shown := map[string]string{"listening": url, "socket": access.socket, "data": data}
	if m.functions != nil {
		shown["functions"] = access.url(m.functions)
	}
	if t.json {
		if err := t.document(shown); err != nil {
			return err
		}
	} else {
		t.printf("listening on %s, data in %s", url, data)
		if m.functions != nil {
			t.printf("functions at %s/TENANT/FUNCTION/", access.url(m.functions))
		}
	}
	defer m.watch(s, g)()

	select {
	case err := <-ended:
		return err
	case <-c.Context.Done():
	}
	timeout := c.Duration("drain-timeout")
	m.stopping(timeout)
	limit, cancel := context.WithTimeout(context.WithoutCancel(c.Context), timeout)
	defer cancel()
	limit, stop := signal.NotifyContext(limit, os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger.Info("draining; a second signal ends at once")
	if m.kept {
		return leave(limit, s, g, ended, stopServing, logger)
	}
	drain(limit, s, logger)
	stopServing()
	return <-ended
}

// drain refuses new invocations, naming when to come back, and waits for those
// that run.
func drain(limit context.Context, s *supervisor.Supervisor, logger *slog.Logger) {
	err := s.Drain(limit)
	if err == nil {
		return
	}
	logger.Warn("ended before everything had finished", slog.Any("error", err))
	// What still runs fails now, and its callers are told.
	if err := s.Close(); err != nil {
		logger.Error("close", slog.Any("error", err))
	}
}

// leave ends without refusing anything: the socket stays open in the service
// manager, where connections wait for the next supervisor. First clients that
// hold a connection are told to use another, while they are served as ever.
// Then no connection is accepted any more, and the requests on those that were
// finish.
func leave(limit context.Context, s *supervisor.Supervisor, g *gateway.Server, ended <-chan error, stopServing func(), logger *slog.Logger) error {
	retire, cancel := context.WithTimeout(limit, retireTime)
	defer cancel()
	g.Retire(retire)
	stopServing()
	select {
	case err := <-ended:
		drain(limit, s, logger) // what is no request
		return err
	case <-limit.Done():
		drain(limit, s, logger)
		return <-ended
	}
}
