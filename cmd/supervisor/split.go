package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func splitCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "split", Usage: "share out the invocations of a function between two versions",
		Subcommands: []*cli.Command{
			{
				Name: "set", Usage: "send a part of the invocations to another version than the live one", ArgsUsage: "TENANT/FUNCTION VERSION=PERCENT...",
				Description: refHelp + ` One of the two is live; together they are 100 %.
Examples:
  supervisor split set shop/cart live=90 staging=10
  supervisor split set shop/cart live=95 3f2a=5 --rollback-errors 5% --rollback-window 5m
To send all to the other version, make it live: supervisor alias set shop/cart live staging`,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "rollback-errors", Usage: "`PERCENT` of failed invocations above which the split ends by itself, like 5%"},
					&cli.IntFlag{Name: "rollback-min", Usage: "`N` invocations that it takes for that", DefaultText: "50"},
					&cli.StringFlag{Name: "rollback-window", Usage: "how far back they count, a `DURATION` like 30s", DefaultText: "1m"},
					serverFlag(),
				},
				Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
					tenant, function, err := splitName(args[0])
					if err != nil {
						return err
					}
					weights, err := splitWeights(args[1:])
					if err != nil {
						return err
					}
					rule, err := rollbackRule(c)
					if err != nil {
						return err
					}
					s, err := api.SetSplit(c.Context, tenant, function, weights, rule)
					if err != nil {
						return err
					}
					if t.json {
						return t.document(s)
					}
					for version, percent := range s.Weights {
						t.printf("%s/%s@%s: %d %%", tenant, function, shortVersion(version), percent)
					}
					return nil
				}),
			},
			{
				Name: "clear", Usage: "end a split: all invocations go to the live version", ArgsUsage: "TENANT/FUNCTION", Flags: []cli.Flag{serverFlag()},
				Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, _ []string) error {
					if err := api.ClearSplit(c.Context, tenant, function); err != nil {
						return err
					}
					name := fmt.Sprintf("%s/%s", tenant, function)
					if t.json {
						return t.document(map[string]string{"cleared": name})
					}
					t.printf("%s: all invocations go to the live version", name)
					return nil
				}),
			},
		},
	}
}

func rollbackRule(c *cli.Context) (*client.RollbackRule, error) {
	if !c.IsSet("rollback-errors") {
		if c.IsSet("rollback-min") || c.IsSet("rollback-window") {
			return nil, usagef("--rollback-min and --rollback-window need --rollback-errors")
		}
		return nil, nil
	}
	rule := &client.RollbackRule{Errors: c.String("rollback-errors"), Min: c.Int("rollback-min")}
	if c.IsSet("rollback-window") {
		d, err := time.ParseDuration(c.String("rollback-window"))
		if err != nil {
			return nil, usagef("--rollback-window: %q is not a duration; write it like 30s or 5m", c.String("rollback-window"))
		}
		rule.Window = client.Duration(d)
	}
	return rule, nil
}
