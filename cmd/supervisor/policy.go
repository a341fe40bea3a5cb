package main

import (
	"encoding/json"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/policies"
)

// policyHelp is what the policy commands' help texts have in common.
const policyHelp = "POLICY is a preset's name or a file; what it extends are presets, or files beside it."

func policyCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "policy", Usage: "check, explain, test, compare and learn policies; no server is needed",
		Subcommands: []*cli.Command{
			policyCheckCommand(t), policyExplainCommand(t), policyTestCommand(t), policyDiffCommand(t), policyLearnCommand(t), policySchemaCommand(t),
		},
	}
}

func withinFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "within", Usage: "a `POLICY` that this one narrows, as a tier's; several from the outside in"}
}

func policyExplainCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "tell which rule decides about a call, and why", ArgsUsage: "POLICY CALL [NAME=VALUE...]",
		Description: policyHelp + `
CALL is an API's name; what rules look at follows, for example
  supervisor policy explain webhook fetch url=https://api.example.com/v1 method=POST
  supervisor policy explain shop.yaml db.query statement=select tables=orders tables=users
  supervisor policy explain shop.yaml kv.put key=user/1 size=2KiB
The names are scheme, host, port, method, path (or url for these but the method), statement,
tables (once for each), key, prefix, size, name, tenant and function.
The exit code is 0 if the call is let through, 1 if not.`,
		Flags: []cli.Flag{withinFlag(), &cli.StringFlag{Name: "args", Usage: "the call's arguments, as a `JSON` array, for rules with an expression"}},
		Action: func(c *cli.Context) error {
			given, err := arguments(c, "POLICY", "CALL", "[NAME=VALUE...]")
			if err != nil {
				return err
			}
			a, err := readAttributes(given[2:], c.String("args"))
			if err != nil {
				return err
			}
			p, err := findChain(given[0], c.StringSlice("within"))
			if err != nil {
				return err
			}
			e := p.Explain(given[1], a)
			if t.json {
				err = t.document(e)
			} else {
				t.printf("%s", strings.TrimSuffix(e.String(), "\n"))
			}
			if err == nil && !e.Allowed {
				err = exitStatus(1)
			}
			return err
		},
	}
}

// readAttributes reads NAME=VALUE pairs, and arguments in JSON.
func readAttributes(pairs []string, args string) (policies.Attributes, error) {
	var a policies.Attributes
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return a, usagef("%q is not NAME=VALUE", pair)
		}
		set := a.Set
		if name == "url" {
			set = func(_, value string) error { return a.SetURL(value) }
		}
		if err := set(name, value); err != nil {
			return a, usagef("%v", err)
		}
	}
	if args != "" {
		if err := json.Unmarshal([]byte(args), &a.Args); err != nil {
			return a, usagef("--args is not a JSON array: %v", err)
		}
	}
	return a, nil
}
