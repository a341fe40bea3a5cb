package main

import (
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/assets"
)

func deployCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "deploy", Usage: "deploy a function, or a new version of it", ArgsUsage: "TENANT/FUNCTION PATH",
		Description: pathHelp + "\nWhat the flags leave out gets the default, also when a version exists.",
		Flags: append(bundleFlags(), []cli.Flag{
			memoryFlag(), timeoutFlag(), cpuFlag(),
			&cli.IntFlag{Name: "concurrency", Usage: "`N` invocations at once", DefaultText: "4"},
			&cli.StringFlag{Name: "isolation", Usage: "fresh: nothing is left to the next invocation; warm: globals are kept", DefaultText: "fresh"},
			&cli.StringFlag{Name: "alias", Usage: "a `NAME` that the version gets, like staging"},
			&cli.BoolFlag{Name: "no-live", Usage: "make the version, but do not send invocations to it"},
			&cli.StringFlag{Name: "policy", Usage: "a policy's `NAME` that holds beside the tenant's: what either denies is denied"},
			&cli.StringFlag{Name: "assets", Usage: "a `DIR` of static files, which are answered beside the function"},
			&cli.BoolFlag{Name: "public", Usage: "anybody may call it over HTTP, without a token"},
			serverFlag(),
		}...),
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			settings, err := functionSettings(c)
			if err != nil {
				return err
			}
			src, err := readFunction(t, c, args[1])
			if err != nil {
				return err
			}
			if dir := c.String("assets"); dir != "" {
				if settings.Assets, err = assets.ReadDir(dir); err != nil {
					return err
				}
			}
			settings.SourceMap, settings.Alias, settings.NoLive = src.sourceMap, c.String("alias"), c.Bool("no-live")
			f, _, err := api.Deploy(c.Context, tenant, function, src.code, settings)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(deployed{f, src.bundle})
			}
			note := ""
			if settings.NoLive {
				note = "; it is not live"
			}
			t.printf("deployed %s/%s, version %s%s", f.Tenant, f.Function, shortVersion(f.Version), note)
			return nil
		}),
	}
}

// deployed is what deploy --json prints.
type deployed struct {
	client.Function
	Bundle *bundleReport `json:"bundle,omitempty"`
}
