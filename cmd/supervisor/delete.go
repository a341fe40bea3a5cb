package main

import (
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func deleteCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a function", ArgsUsage: "TENANT/FUNCTION",
		Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			if err := api.DeleteFunction(c.Context, tenant, function); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"deleted": tenant + "/" + function})
			}
			t.printf("deleted %s/%s", tenant, function)
			return nil
		}),
	}
}
