package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func invokeCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "invoke", Usage: "invoke a function", ArgsUsage: "TENANT/FUNCTION",
		Description: "The result goes to standard output, what the function logs to standard error.\n" +
			"TENANT/FUNCTION@VERSION runs a version by its first digits, or by an alias.",
		Flags: []cli.Flag{eventFlag(), &cli.StringFlag{Name: "version", Usage: "the `VERSION` or alias to run (default: live)"}, receiptFlag(), serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			if ref := c.String("version"); ref != "" {
				if strings.Contains(function, "@") {
					return usagef("--version and @ both name a version; use one of them")
				}
				function += "@" + ref
			}
			event, err := readEvent(t, c)
			if err != nil {
				return err
			}
			r, err := api.Invoke(c.Context, tenant, function, event)
			if err != nil {
				return &failed{err, r, c.Bool("receipt")}
			}
			return t.result(r, c.Bool("receipt"))
		}),
	}
}
