package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Flags of learn that belong to one of its two sources.
var (
	learnFromRun = []string{"event", "events", "timeout", "memory", "minify", "verbose", "config", "env", "secret", "sandbox-bin", "database-bin"}
	learnFromLog = []string{"tenant", "function", "denied"}
)

func policyLearnCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "learn", Usage: "write the smallest policy that allows what a function does, or has done", ArgsUsage: "PATH | --from AUDIT-LOG",
		Description: `Runs the function at PATH, once for each event, with everything allowed and recorded, and writes the policy:
  supervisor policy learn hook.js --event '{"order":1}' --event '{"order":2}' --name hook > hook.yaml
  supervisor policy learn ./orders --events events.jsonl --env REGION=eu > orders.yaml
What it does is real: requests are sent, save for those to private addresses. What it stores is gone afterwards,
but each event finds what those before it have stored. When an event fails the policy is written all the same, and
the exit code is that of the first failure.

With --from it runs nothing, and reads what a server has recorded, in DATA/audit/audit.jsonl:
  supervisor policy learn --from audit.jsonl --tenant acme --function hook --name hook > hook.yaml
Give the tenant a policy with the default audit for that while.

` + pathHelp,
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "the new policy's `NAME`", Value: "learned"},
			&cli.StringSliceFlag{Name: "event", Usage: "an event: `JSON`, or @FILE; may be repeated", DefaultText: "null"},
			&cli.StringFlag{Name: "events", Usage: "a `FILE` with an event, in JSON, on each line; - for standard input"},
			timeoutFlag(), memoryFlag(),
		}, bundleFlags(), localFlags(), []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "read the audit log in `FILE` instead: JSON lines; - for standard input"},
			&cli.StringFlag{Name: "tenant", Usage: "with --from: only what this `TENANT` did"},
			&cli.StringFlag{Name: "function", Usage: "with --from: only what this `FUNCTION` did"},
			&cli.BoolFlag{Name: "denied", Usage: "with --from: allow also what was denied"},
		}),
		Action: func(c *cli.Context) error {
			if err := checkLearnSource(c); err != nil {
				return err
			}
			if c.IsSet("from") {
				if _, err := arguments(c); err != nil {
					return err
				}
				seen, err := readAuditFile(t, c)
				if err != nil {
					return err
				}
				return t.learned(c.String("name"), seen)
			}
			return learnFromFunction(t, c)
		},
	}
}

func checkLearnSource(c *cli.Context) error {
	wrong, source := learnFromLog, "--from"
	if c.IsSet("from") {
		wrong, source = learnFromRun, "PATH"
	}
	for _, name := range wrong {
		if c.IsSet(name) {
			return &usageError{message: fmt.Sprintf("--%s belongs to %s", name, source), hint: "see supervisor policy learn --help"}
		}
	}
	if !c.IsSet("from") && !c.Args().Present() {
		return &usageError{message: "missing PATH", hint: "name a function to run, or an audit log with --from"}
	}
	return nil
}

func readAuditFile(t *terminal, c *cli.Context) (seen, error) {
	in, name := t.in, c.String("from")
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return seen{}, usagef("cannot read %s: %v", name, plain(err))
		}
		defer f.Close()
		in = f
	}
	return readAudit(in, c.String("tenant"), c.String("function"), c.Bool("denied"))
}

// learned writes the policy.
func (t *terminal) learned(name string, s seen) error {
	doc, err := policies.Learn(name, s.calls)
	if err != nil {
		return usagef("nothing can be learned from this: %v", err)
	}
	if t.json {
		return t.document(map[string]any{"calls": len(s.calls), "denied": s.denied, "lost": s.lost, "policy": string(doc)})
	}
	if s.denied > 0 {
		t.notef("denied, and so left out: %d%s", s.denied, s.hint)
	}
	if s.lost > 0 {
		t.notef("calls that the audit log lost: %d; the policy may lack them", s.lost)
	}
	_, err = t.out.Write(doc)
	return err
}
