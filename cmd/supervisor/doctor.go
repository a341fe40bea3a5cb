package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/doctor"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func doctorCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "examine this host: which layers lock sandboxes down here, and what is missing",
		Description: "Starts a sandbox process as serve would, as this user, and tells which layers of the lock-down it has\n" +
			"(docs/security.md), what to do about those that it lacks, and what else of the host matters.\n" +
			"Give it serve's --config, so that it judges by the same layers section and looks at the same data.\n\n" +
			"--attack lets native code in such processes try to get out, and takes layers away to show that it would\n" +
			"get out without them. It takes some seconds, changes nothing, and stays on this machine; the kernel may\n" +
			"log every process that it kills.\n\n" +
			"Exit codes: 0 hardened: every layer is active; 10 degraded: a layer is missing that is preferred, or is\n" +
			"off; 11 unfit: a required layer is missing, or serve could not start; 1 an attempt got out; 2 usage; 6 it\n" +
			"could not be found out.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "attack", Usage: "try to get out of a sandbox process, in every way we know of"},
			&cli.StringFlag{Name: "config", Usage: "configuration `FILE` of serve"},
			&cli.StringFlag{Name: "data", Usage: "data `DIR` of serve", DefaultText: "the configuration's, or serve's default"},
			sandboxFlag(), databaseFlag(),
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			conf, err := serveConfig(c)
			if err != nil {
				return err
			}
			options, err := conf.options()
			if err != nil {
				return err
			}
			r, err := examine(c.Context, t, conf, options, c.Bool("attack"))
			if err != nil {
				return &outcome.Error{Outcome: outcome.Internal, Detail: "the host could not be examined", Err: err}
			}
			return t.diagnosis(r)
		},
	}
}

// examine finds out all that there is to say.
func examine(ctx context.Context, t *terminal, conf config, options supervisor.Options, attack bool) (*doctor.Report, error) {
	temporary, err := os.MkdirTemp("", "bulkhead-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	options.Logger = slog.New(slog.DiscardHandler)
	options.CacheDir = temporary
	if user, err := os.UserCacheDir(); err == nil && os.MkdirAll(filepath.Join(user, "bulkhead"), 0o700) == nil {
		options.CacheDir = filepath.Join(user, "bulkhead")
	}
	processes := options.MaxProcesses
	if processes == 0 {
		processes = supervisor.DefaultMaxProcesses
	}
	r := &doctor.Report{Layers: []doctor.Layer{}, Host: doctor.Facts(processes), Mitigations: doctor.Mitigations()}
	var unfit bool
	if r.Data, unfit = doctor.Data(conf.Data); unfit {
		r.Problems = append(r.Problems, "the data directory cannot be used")
	}
	target := doctor.Target{CacheDir: options.CacheDir, Modes: options.Layers, UID: options.SandboxUID}
	if target.Database, err = conf.databaseProgram(); err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	layers, err := supervisor.Probe(ctx, options)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		r.Problems = append(r.Problems, err.Error())
	default:
		// The process that was probed is in no group: to make one would change
		// something.
		lacks, err := lookForCgroups(conf)
		if err != nil {
			return nil, err
		}
		layers = confine.WithCgroup(layers[1:], options.Layers, lacks)
		r.Layers = doctor.Describe(layers)
	}
	if attack && err == nil {
		if target.Sandbox, err = supervisor.FindSandbox(options.SandboxBinary); err != nil {
			return nil, err
		}
		if target.UID == 0 {
			target.UID = supervisor.DefaultSandboxUID
		}
		if r.Attack, err = doctor.Run(ctx, target, layers, escape.Attempts(), t.attempts); err != nil {
			return nil, err
		}
		t.attempts(0, 0)
	}
	r.Judge()
	return r, nil
}

// databaseProgram returns the path of the database binary, or "" if serve
// needs none.
func (c config) databaseProgram() (string, error) {
	if c.Postgres.URL != "" {
		return "", nil
	}
	path := c.DatabaseBin
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		path = filepath.Join(filepath.Dir(self), "database")
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fmt.Errorf("the database binary %s cannot be run: name it with --database-bin", path)
	}
	return path, nil
}

// attempts shows a person how far the attack is; none at all clears the line.
func (t *terminal) attempts(done, total int) {
	switch {
	case !t.errTTY || t.json:
	case total == 0:
		fmt.Fprint(t.err, "\r\x1b[K")
	default:
		fmt.Fprintf(t.err, "\r%d of %d attempts", done, total)
	}
}
