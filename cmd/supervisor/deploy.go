package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/assets"
)

func deployCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "deploy", Usage: "deploy a function, or a new version of it; or all functions of a folder",
		ArgsUsage: "[TENANT[/FUNCTION]] PATH",
		Description: pathHelp + "\nWhat the flags leave out gets the default, also when a version exists.\n" +
			"Without /FUNCTION, PATH is a folder as `supervisor dev` takes it: all functions that its bulkhead.yaml lists, or else that\n" +
			"lie in it, are deployed, a few at a time. Without TENANT, bulkhead.yaml names it (tenant: acme). A flag goes before\n" +
			"bulkhead.yaml. One that fails does not keep the others from being deployed; the exit code is that of the first that\n" +
			"failed, by name. With --json there is one object a line then, for each function.\n" +
			"  supervisor deploy acme/resize src/resize.ts --memory 8MiB\n" +
			"  supervisor deploy acme functions --alias staging --no-live",
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
			settings, err := functionSettings(c)
			if err != nil {
				return err
			}
			settings.Alias, settings.NoLive = c.String("alias"), c.Bool("no-live")
			target, path := args[0], args[1]
			if path == "" {
				target, path = "", target
			}
			if !strings.Contains(target, "/") {
				if c.IsSet("assets") {
					return &usageError{message: "--assets belongs to one function", hint: "name each function's in " + projectName}
				}
				return deployFolder(t, c, api, target, path, settings)
			}
			tenant, function, err := splitName(target)
			if err != nil {
				return err
			}
			s := &shipment{tenant: tenant, function: function, path: path, assets: c.String("assets"), settings: settings}
			progress := t.progress()
			d, err := s.ship(c, t, api, progress)
			progress.close()
			if err != nil {
				return err
			}
			if t.json {
				return t.document(d)
			}
			t.printf("%s", d.line(settings.NoLive))
			return nil
		}),
	}
}

// shipment is one function on its way to the server.
type shipment struct {
	tenant, function string
	path, assets     string // assets may be empty
	settings         client.FunctionSettings
}

// deployed is what deploy --json prints.
type deployed struct {
	client.Function
	Bundle *bundleReport `json:"bundle,omitempty"`
}

func (d *deployed) line(noLive bool) string {
	note := ""
	if noLive {
		note = "; it is not live"
	}
	return "deployed " + d.Tenant + "/" + d.Function.Function + ", version " + shortVersion(d.Version) + note
}

// ship bundles a function and deploys it.
func (s *shipment) ship(c *cli.Context, t *terminal, api *client.Client, p *progress) (*deployed, error) {
	at := p.begin(s.tenant + "/" + s.function)
	defer at.end()
	at.say("bundling")
	src, err := readFunction(t, c, s.path)
	if err != nil {
		return nil, err
	}
	settings := s.settings
	if settings.SourceMap = src.sourceMap; s.assets != "" {
		if settings.Assets, err = assets.ReadDir(s.assets); err != nil {
			return nil, err
		}
	}
	f, _, err := api.Deploy(client.WithUpload(c.Context, at.sent), s.tenant, s.function, src.code, settings)
	if err != nil {
		return nil, err
	}
	return &deployed{f, src.bundle}, nil
}
