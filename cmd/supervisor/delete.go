package main

import (
	"github.com/urfave/cli/v2"
)

func deleteCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a function", ArgsUsage: "TENANT/FUNCTION",
		Flags: []cli.Flag{serverFlag()},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "TENANT/FUNCTION")
			if err != nil {
				return err
			}
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			api, err := dial(c)
			if err != nil {
				return err
			}
			defer api.Close()
			if err := api.DeleteFunction(c.Context, tenant, function); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"deleted": tenant + "/" + function})
			}
			t.printf("deleted %s/%s", tenant, function)
			return nil
		},
	}
}
