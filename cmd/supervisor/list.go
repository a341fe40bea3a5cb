package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/gateway"
)

func listCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list functions, of one tenant or of all", ArgsUsage: "[TENANT]",
		Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenants := []string{args[0]}
			if args[0] == "" {
				all, err := api.Tenants(c.Context)
				if err != nil {
					return err
				}
				tenants = nil
				for _, tenant := range all {
					tenants = append(tenants, tenant.Name)
				}
			}
			functions := []client.Function{}
			for _, tenant := range tenants {
				some, err := api.Functions(c.Context, tenant)
				if err != nil {
					return err
				}
				functions = append(functions, some...)
			}
			if t.json {
				return t.document(map[string]any{"functions": functions})
			}
			if len(functions) == 0 {
				t.printf("no functions")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "FUNCTION\tVERSION\tMEMORY\tTIMEOUT\tCPU\tCONCURRENCY\tISOLATION\tPOLICY\tDEPLOYED")
			for _, f := range functions {
				fmt.Fprintf(w, "%s/%s\t%.12s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", f.Tenant, f.Function, f.Version,
					gateway.FormatSize(f.Memory), f.Timeout, limit(f.CPU), f.Concurrency, f.Isolation, cmp.Or(f.Policy, "-"), f.Deployed.Local().Format(time.DateTime))
			}
			return w.Flush()
		}),
	}
}

// limit shows a limit that there may be none of.
func limit(d client.Duration) string {
	if d == 0 {
		return "-"
	}
	return d.String()
}
