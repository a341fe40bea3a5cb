package main

import "github.com/urfave/cli/v2"

func tenantDeleteCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a tenant with its functions and all their data", ArgsUsage: "NAME",
		Description: "Ends its invocations, and deletes its functions, database, keys, objects, queues, secrets and variables.\n" +
			"There is no way back, so it has to be confirmed with --yes. The audit log stays.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "yes", Usage: "delete it"},
			serverFlag(),
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "NAME")
			if err != nil {
				return err
			}
			if !c.Bool("yes") {
				return &usageError{message: "this deletes tenant " + args[0] + " with its functions and all their data", hint: "add --yes if you mean it"}
			}
			api, err := dial(c)
			if err != nil {
				return err
			}
			defer api.Close()
			if err := api.DeleteTenant(c.Context, args[0]); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"deleted": args[0]})
			}
			t.printf("tenant %s is deleted", args[0])
			return nil
		},
	}
}
