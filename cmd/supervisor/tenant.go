package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func tenantCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "tenant", Usage: "create, list and delete tenants",
		Subcommands: []*cli.Command{tenantPutCommand(t), tenantListCommand(t), tenantDeleteCommand(t)},
	}
}

func tenantPutCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "put", Usage: "create a tenant, or change its policy and tier", ArgsUsage: "TENANT",
		Description: "What the flags leave out gets the default, also when the tenant exists.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "a preset's name, or a policy's of the configuration", DefaultText: "compute"},
			&cli.StringFlag{Name: "tier", Usage: "a tier's name of the configuration", DefaultText: "default"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, err := api.PutTenant(c.Context, args[0], client.TenantSettings{Policy: c.String("policy"), Tier: c.String("tier")})
			if err != nil {
				return err
			}
			if t.json {
				return t.document(tenant)
			}
			t.printf("tenant %s: policy %s, tier %s", tenant.Name, tenant.Policy, tenant.Tier)
			return nil
		}),
	}
}

func tenantListCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the tenants", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, _ []string) error {
			tenants, err := api.Tenants(c.Context)
			if err != nil {
				return err
			}
			if t.json {
				if tenants == nil {
					tenants = []client.Tenant{}
				}
				return t.document(map[string]any{"tenants": tenants})
			}
			if len(tenants) == 0 {
				t.printf("no tenants")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "TENANT\tPOLICY\tTIER\tCREATED")
			for _, tenant := range tenants {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", tenant.Name, tenant.Policy, tenant.Tier, tenant.Created.Local().Format(time.DateTime))
			}
			return w.Flush()
		}),
	}
}
