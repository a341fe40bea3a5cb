package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func runCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run one function once in a sandbox; no server is needed", ArgsUsage: "PATH",
		Description: "The result goes to standard output, what the function logs to standard error.\n" + pathHelp,
		Flags: append(bundleFlags(), []cli.Flag{
			eventFlag(), timeoutFlag(), memoryFlag(),
			&cli.StringFlag{Name: "policy", Usage: "what it may call: a preset's name, or a `FILE`", Value: "compute"},
			sandboxFlag(),
			databaseFlag(),
		}...),
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "PATH")
			if err != nil {
				return err
			}
			if args[0] == "-" && c.String("event") == "-" {
				return usagef("PATH and --event cannot both be standard input")
			}
			settings, err := functionSettings(c)
			if err != nil {
				return err
			}
			event, err := readEvent(t, c)
			if err != nil {
				return err
			}
			policy, err := findPolicy(c.String("policy"))
			if err != nil {
				return err
			}
			src, err := readFunction(t, c, args[0])
			if err != nil {
				return err
			}
			return runOnce(t, c, supervisor.FunctionSpec{
				Tenant: "local", Function: functionName(args[0]), Code: src.code, SourceMap: src.sourceMap,
				Memory: settings.Memory, Timeout: settings.Timeout, Concurrency: 1,
			}, policy, event)
		},
	}
}

func sandboxFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "sandbox-bin", Usage: "`PATH` of the sandbox binary (default: beside this one)", EnvVars: []string{"BULKHEAD_SANDBOX_BIN"},
	}
}

func runOnce(t *terminal, c *cli.Context, spec supervisor.FunctionSpec, policy *policies.Policy, event []byte) (err error) {
	dir, err := os.MkdirTemp("", "bulkhead-run-")
	if err != nil {
		return &outcome.Error{Outcome: outcome.Internal, Detail: "cannot make a temporary directory: " + err.Error(), Err: err}
	}
	defer os.RemoveAll(dir)
	apis, err := openAPIs(c.Context, config{DatabaseBin: c.String("database-bin")}, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer apis.Close()
	ctx := c.Context
	s, err := supervisor.New(ctx, supervisor.Options{
		SandboxBinary: c.String("sandbox-bin"), APIs: apis.list, Spares: 1, MaxProcesses: 1,
		// What goes wrong is in the error.
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	apis.data.supervisor.Store(s)
	r, err := s.Run(ctx, spec, policy, event)
	if err != nil {
		var e *outcome.Error
		if errors.As(err, &e) && e.Tenant == spec.Tenant {
			local := *e
			local.Tenant, local.Function = "", ""
			err = &local
		}
		return &failed{err, resultOf(r)}
	}
	return t.result(resultOf(r))
}

// resultOf gives a result of the library the shape that the HTTP API has.
func resultOf(r supervisor.Result) client.Result {
	out := client.Result{
		Invocation: r.Invocation, Version: r.Version, Start: "warm", DurationMS: float64(r.Duration.Microseconds()) / 1000,
		Value: r.Value, DroppedLogs: r.Dropped, PID: r.PID, Logs: []client.Log{},
	}
	if r.Cold {
		out.Start = "cold"
	}
	for _, l := range r.Logs {
		out.Logs = append(out.Logs, client.Log{Time: l.Time, Level: strings.ToLower(l.Level.String()), Message: l.Message})
	}
	return out
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// functionName makes a function's name from its file's.
func functionName(path string) string {
	base := filepath.Base(path)
	name := notInName.ReplaceAllString(strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))), "-")
	name = strings.Trim(name[:min(len(name), 63)], "-")
	if name == "" {
		return "main"
	}
	return name
}
