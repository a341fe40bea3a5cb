package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/policies"
)

func policyCheckCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "find what is wrong with policies, and what cannot be meant", ArgsUsage: "POLICY|FOLDER...",
		Description: policyHelp + ` Of a folder, all are checked,
and the cases (*.test.yaml) are read, too.
A policy is wrong if it cannot be used at all: the exit code is 2. It is 1 for rules that can never decide,
that name an API which is not known, or that refuse more than they seem to. The known APIs are those that
"supervisor apis" lists, with the same --config.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "configuration `FILE` that adds APIs of your own"},
			&cli.StringSliceFlag{Name: "api", Usage: "`NAME` of an API that a program of yours adds; may be repeated"},
		},
		Action: func(c *cli.Context) error {
			given, err := arguments(c, "POLICY|FOLDER...")
			if err != nil {
				return err
			}
			apis, err := listAPIs(c)
			if err != nil {
				return err
			}
			known := c.StringSlice("api")
			for _, api := range apis {
				known = append(known, api.Name)
			}
			found := []policies.Problem{}
			names, err := policyArguments(given)
			if err != nil {
				return err
			}
			for _, name := range names {
				if isCases(name) {
					if _, err := readCases(t, name); err != nil {
						return err
					}
					continue
				}
				p, err := findPolicy(name)
				if err != nil {
					return err
				}
				found = append(found, p.Lint(known)...)
			}
			if t.json {
				if err := t.document(map[string]any{"problems": found}); err != nil {
					return err
				}
			}
			for _, p := range found {
				if !t.json {
					t.printf("%s", clean(t.outTTY, p.String()))
				}
			}
			if len(found) > 0 {
				return exitStatus(1)
			}
			if !t.json {
				t.printf("no problems found")
			}
			return nil
		},
	}
}

func policyDiffCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "compare what two policies mean, API by API", ArgsUsage: "OLD NEW",
		Description: policyHelp + `
Each API for which they differ is wider (more is let through), narrower, changed (both, or what cannot be
compared) or the same (other rules that come to the same). The exit code is 0 without a difference, 1 with one.`,
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "OLD", "NEW")
			if err != nil {
				return err
			}
			before, err := findPolicy(args[0])
			if err != nil {
				return err
			}
			after, err := findPolicy(args[1])
			if err != nil {
				return err
			}
			changes := policies.Diff(before, after)
			if t.json {
				if err := t.document(map[string]any{"changes": append([]policies.Change{}, changes...)}); err != nil {
					return err
				}
			}
			for _, change := range changes {
				if !t.json {
					t.printf("%s", clean(t.outTTY, strings.TrimSuffix(change.String(), "\n")))
				}
			}
			if len(changes) > 0 {
				return exitStatus(1)
			}
			if !t.json {
				t.printf("no difference")
			}
			return nil
		},
	}
}

func policySchemaCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "schema", Usage: "print the JSON Schema of policies, for editors",
		Description: "In an editor with the YAML language server, begin a policy with\n  # yaml-language-server: $schema=policy.schema.json",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			t.printf("%s", strings.TrimSpace(string(policies.Schema())))
			return nil
		},
	}
}
