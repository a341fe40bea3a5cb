package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func envCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "env", Usage: "set the variables that functions read with env.get",
		Subcommands: []*cli.Command{envSetCommand(t), envListCommand(t)},
	}
}

// envOwner reads "TENANT" or "TENANT/FUNCTION".
func envOwner(s string) (tenant, function string, err error) {
	if !strings.Contains(s, "/") {
		return s, "", nil
	}
	return splitName(s)
}

func envSetCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "set and remove variables of a tenant, or of one function", ArgsUsage: "TENANT[/FUNCTION] NAME=VALUE...",
		Description: "NAME=VALUE sets a variable, NAME= removes it; the others stay. A function's goes before its tenant's of the\n" +
			"same name. What is live gets a new version with them; a rollback brings the old ones back. For what nobody should see there is `supervisor secret`.",
		Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := envOwner(args[0])
			if err != nil {
				return err
			}
			vars, err := api.Env(c.Context, tenant, function)
			if err != nil {
				return err
			}
			if vars == nil {
				vars = map[string]string{}
			}
			for _, a := range args[1:] {
				name, text, found := strings.Cut(a, "=")
				switch {
				case !found || name == "":
					return usagef("%q is not NAME=VALUE", a)
				case text == "":
					delete(vars, name)
				default:
					vars[name] = text
				}
			}
			changed, err := api.PutEnv(c.Context, tenant, function, vars)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]any{"env": vars, "functions": changed})
			}
			for _, f := range changed {
				fmt.Fprintf(t.err, "%s/%s: version %s is live\n", f.Tenant, f.Function, shortVersion(f.Version))
			}
			return showEnv(t, vars)
		}),
	}
}

func envListCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the variables of a tenant, or of one function", ArgsUsage: "TENANT[/FUNCTION]", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := envOwner(args[0])
			if err != nil {
				return err
			}
			vars, err := api.Env(c.Context, tenant, function)
			if err != nil {
				return err
			}
			return showEnv(t, vars)
		}),
	}
}

func showEnv(t *terminal, vars map[string]string) error {
	if t.json {
		return t.document(map[string]any{"env": vars})
	}
	if len(vars) == 0 {
		t.printf("no variables")
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		if _, err := fmt.Fprintf(t.out, "%s=%s\n", name, quoteUnprintable(vars[name])); err != nil {
			return err
		}
	}
	return nil
}
