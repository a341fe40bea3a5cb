package main

import (
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func tenantDeleteCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a tenant with its functions and all their data", ArgsUsage: "TENANT",
		Description: "Ends its invocations, and deletes its functions, database, keys, objects, queues, secrets and variables.\n" +
			"There is no way back, so it has to be confirmed with --yes. The audit log stays.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "delete it"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			if !c.Bool("yes") {
				return &usageError{message: "this deletes tenant " + args[0] + " with its functions and all their data", hint: "add --yes if you mean it"}
			}
			if err := api.DeleteTenant(c.Context, args[0]); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"deleted": args[0]})
			}
			t.printf("tenant %s is deleted", args[0])
			return nil
		}),
	}
}
