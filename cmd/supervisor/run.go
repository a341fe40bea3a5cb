package main

import (
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func runCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run one function once in a sandbox; no server is needed", ArgsUsage: "PATH",
		Description: "The result goes to standard output, what the function logs to standard error.\n" + pathHelp + `
Every platform API is there, as far as the policy goes; what the function stores is gone afterwards.
  supervisor run cart.js --policy data --event '{"add":"tea"}' --env REGION=eu
  API_KEY=... supervisor run hook.js --policy webhook --secret API_KEY=api.example.com`,
		Flags: slices.Concat(bundleFlags(), []cli.Flag{
			eventFlag(), receiptFlag(), timeoutFlag(), cpuFlag(), memoryFlag(),
			&cli.StringFlag{Name: "policy", Usage: "what it may call: a `POLICY`'s file, or the name of a preset or of one in the configuration", Value: "compute"},
		}, localFlags()),
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
			src, err := readFunction(t, c, args[0])
			if err != nil {
				return err
			}
			return runOnce(t, c, localFunction(args[0], src, settings), event)
		},
	}
}

func localFunction(path string, src source, settings client.FunctionSettings) supervisor.FunctionSpec {
	return supervisor.FunctionSpec{
		Tenant: localTenant, Function: functionName(path), Code: src.code, SourceMap: src.sourceMap,
		Memory: settings.Memory, Timeout: settings.Timeout, CPU: settings.CPU, Concurrency: 1,
	}
}

func sandboxFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "sandbox-bin", Usage: "`PATH` of the sandbox binary (default: beside this one)", EnvVars: []string{"BULKHEAD_SANDBOX_BIN"},
	}
}

func runOnce(t *terminal, c *cli.Context, spec supervisor.FunctionSpec, event []byte) error {
	return temporary(func(dir string) (err error) {
		l, err := openLocal(c, dir, localSetup{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		policy, err := l.policy(c.String("policy"))
		if err != nil {
			return err
		}
		r, err := l.once(c, spec, policy, event)
		if err != nil {
			return &failed{err, resultOf(r), c.Bool("receipt")}
		}
		return t.result(resultOf(r), c.Bool("receipt"))
	})
}

// resultOf gives a result of the library the shape that the HTTP API has.
func resultOf(r supervisor.Result) client.Result {
	out := client.Result{
		Receipt: receiptOf(&r.Receipt), Value: r.Value, DroppedLogs: r.Dropped, PID: r.PID, Logs: []client.Log{},
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
