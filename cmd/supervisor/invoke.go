package main

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func invokeCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "invoke", Usage: "invoke a function", ArgsUsage: "TENANT/FUNCTION",
		Description: "The result goes to standard output, what the function logs to standard error.\n" +
			"TENANT/FUNCTION@VERSION runs a version by its first digits, or by an alias.\n" +
			"With --watch, log lines, host calls and what the policy says of them are shown as they happen, and then the receipt.\n" +
			"Together with --event @FILE it goes on: each save of FILE invokes the function again, until Ctrl-C. With --json it\n" +
			"prints one object a line then. Watching shows what the audit log has: a token needs the scope tenant-deploy.",
		Flags: []cli.Flag{
			eventFlag(), &cli.StringFlag{Name: "version", Usage: "the `VERSION` or alias to run (default: live)"}, receiptFlag(),
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "show what happens as it happens; with --event @FILE, again after each save"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			if ref := c.String("version"); ref != "" {
				if strings.Contains(function, "@") {
					return &usageError{message: "--version and @ both name a version", hint: "use one of them"}
				}
				function += "@" + ref
			}
			if c.Bool("watch") {
				return watchInvocations(t, c, func(ctx context.Context, event json.RawMessage) error {
					return t.watch(ctx, api, tenant, function, event)
				})
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
