package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func recordCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "record", Usage: "record invocations of a function, for replay", ArgsUsage: "TENANT/FUNCTION",
		Description: "Keeps what chosen invocations see: the event, host calls with their answers, time and chance. Recordings are the tenant's\n" +
			"data; the last 100 of each function are kept, for 7 days. Recording ends by itself; a restart does not end it.",
		Flags: []cli.Flag{
			&cli.Float64Flag{Name: "rate", Usage: "the `PART` of the invocations, chosen at random: more than 0, at most 1", Value: 1},
			&cli.DurationFlag{Name: "for", Usage: "how long; at most 24h", Value: 10 * time.Minute},
			&cli.BoolFlag{Name: "off", Usage: "record no more"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, function, err := splitName(args[0])
			if err != nil {
				return err
			}
			rate := c.Float64("rate")
			switch {
			case c.Bool("off"):
				rate = 0
			case !(rate > 0 && rate <= 1):
				return usagef("--rate is %v; it must be more than 0 and at most 1", rate)
			}
			if err := api.Record(c.Context, tenant, function, rate, c.Duration("for")); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]any{"tenant": tenant, "function": function, "rate": rate})
			}
			if rate == 0 {
				t.printf("%s/%s is not recorded", tenant, function)
			} else {
				t.printf("recording %g of the invocations of %s/%s for %v; see `supervisor recordings list %s`", rate, tenant, function, c.Duration("for"), tenant)
			}
			return nil
		}),
	}
}

func recordingsCommand(t *terminal) *cli.Command {
	named := func(name, usage string, run func(c *cli.Context, api *client.Client, tenant, id string) error) *cli.Command {
		return &cli.Command{
			Name: name, Usage: usage, ArgsUsage: "TENANT/ID", Flags: []cli.Flag{serverFlag()},
			Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
				tenant, id, err := splitName(args[0])
				if err != nil {
					return err
				}
				return run(c, api, tenant, id)
			}),
		}
	}
	list := &cli.Command{
		Name: "list", Usage: "list a tenant's recordings, the latest first", ArgsUsage: "TENANT",
		Flags: []cli.Flag{&cli.StringFlag{Name: "function", Usage: "of this `FUNCTION` only"}, serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			all, err := api.Recordings(c.Context, args[0], c.String("function"))
			switch {
			case err != nil:
				return err
			case t.json:
				return t.document(map[string]any{"recordings": all})
			case len(all) == 0:
				t.printf("no recordings")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "RECORDING\tFUNCTION\tTIME\tSIZE")
			for _, e := range all {
				fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\n", e.Tenant, e.ID, e.Function, e.Time.Local().Format(time.DateTime), formatSize(e.Size))
			}
			return w.Flush()
		}),
	}
	return &cli.Command{
		Name: "recordings", Usage: "list, show and delete recordings",
		Subcommands: []*cli.Command{
			list,
			named("show", "show a recording, as JSON", func(c *cli.Context, api *client.Client, tenant, id string) error {
				r, err := api.Recording(c.Context, tenant, id)
				if err != nil {
					return err
				}
				return t.document(r)
			}),
			named("delete", "delete a recording", func(c *cli.Context, api *client.Client, tenant, id string) error {
				return api.DeleteRecording(c.Context, tenant, id)
			}),
		},
	}
}
