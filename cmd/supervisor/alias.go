package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func aliasCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "alias", Usage: "give versions of a function names",
		Subcommands: []*cli.Command{
			{
				Name: "set", Usage: "give a version a name, or live to make it live", ArgsUsage: "TENANT/FUNCTION ALIAS VERSION",
				Description: refHelp + "\nInvoke it by TENANT/FUNCTION@ALIAS. An alias is 1 to 63 of a-z, 0-9 and -, with one that no version's name has.",
				Flags:       []cli.Flag{serverFlag()},
				Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, args []string) error {
					v, err := api.SetAlias(c.Context, tenant, function, args[0], args[1])
					if err != nil {
						return err
					}
					if t.json {
						return t.document(v)
					}
					t.printf("%s/%s@%s is version %s", tenant, function, args[0], shortVersion(v.Version))
					return nil
				}),
			},
			{
				Name: "delete", Usage: "take a name from a version", ArgsUsage: "TENANT/FUNCTION ALIAS", Flags: []cli.Flag{serverFlag()},
				Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, args []string) error {
					if err := api.DeleteAlias(c.Context, tenant, function, args[0]); err != nil {
						return err
					}
					name := fmt.Sprintf("%s/%s@%s", tenant, function, args[0])
					if t.json {
						return t.document(map[string]string{"deleted": name})
					}
					t.printf("deleted %s", name)
					return nil
				}),
			},
			{
				Name: "list", Usage: "list the aliases of a function", ArgsUsage: "TENANT/FUNCTION", Flags: []cli.Flag{serverFlag()},
				Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, _ []string) error {
					all, err := api.Versions(c.Context, tenant, function)
					if err != nil {
						return err
					}
					aliases := map[string]string{}
					for _, v := range all.Versions {
						for _, name := range v.Aliases {
							aliases[name] = v.Version
						}
					}
					if t.json {
						return t.document(map[string]any{"aliases": aliases})
					}
					if len(aliases) == 0 {
						t.printf("no aliases")
						return nil
					}
					w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
					fmt.Fprintln(w, "ALIAS\tVERSION")
					for _, v := range all.Versions {
						for _, name := range v.Aliases {
							fmt.Fprintf(w, "%s\t%s\n", name, shortVersion(v.Version))
						}
					}
					return w.Flush()
				}),
			},
		},
	}
}

// splitWeights reads "VERSION=PERCENT" twice.
func splitWeights(args []string) (map[string]int, error) {
	weights := map[string]int{}
	for _, a := range args {
		ref, percent, found := strings.Cut(a, "=")
		var n int
		if _, err := fmt.Sscanf(strings.TrimSuffix(percent, "%")+"\n", "%d\n", &n); !found || ref == "" || err != nil {
			return nil, usagef("%q is not VERSION=PERCENT; write it like live=90 staging=10", a)
		}
		if _, twice := weights[ref]; twice {
			return nil, usagef("%s is there twice", ref)
		}
		weights[ref] = n
	}
	return weights, nil
}
