package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func replayCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "replay", Usage: "run a recorded invocation again, on its recorded effects", ArgsUsage: "TENANT/ID",
		Description: "The server runs it in a sandbox process that reaches nothing, and shows it the same time, chance and answers. Exits with 0 when\n" +
			"it took the same course, with 1 when it did not.\n" +
			"  supervisor replay acme/0198... --code ./fixed.ts",
		Flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "code", Usage: "run the code of this `PATH` in place of the recorded one"}, serverFlag(),
		}, bundleFlags()),
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, id, err := splitName(args[0])
			if err != nil {
				return err
			}
			var src source
			if path := c.String("code"); path != "" {
				if src, err = readFunction(t, c, path); err != nil {
					return err
				}
			}
			r, err := api.Replay(c.Context, tenant, id, src.code, src.sourceMap)
			if err != nil {
				return err
			}
			if t.json {
				err = t.document(r)
			} else {
				t.replayed(&r)
			}
			if err == nil && !r.Same {
				err = exitStatus(1)
			}
			return err
		}),
	}
}

// replayed shows what a replay came to.
func (t *terminal) replayed(r *client.Replayed) {
	t.logs(client.Result{Logs: r.Logs})
	t.printf("outcome: %s (recorded: %s)", quoteUnprintable(r.Outcome), quoteUnprintable(r.Recorded))
	if r.Exception != nil {
		t.chain("", r.Exception, "")
	} else if r.Detail != "" {
		t.printf("  %s", clean(true, r.Detail))
	}
	if len(r.Value) > 0 {
		t.printf("result: %s", clean(true, string(r.Value)))
	}
	if r.Truncated {
		t.printf("the recording is truncated: only what it has was compared")
	}
	if r.Unanswered > 0 {
		t.printf("%s had no answer in the recording", count(uint64(r.Unanswered), "call"))
	}
	if r.Difference == nil {
		t.printf("same course")
		return
	}
	d := r.Difference
	side := func(text string) string {
		if text == "" {
			return "(nothing)"
		}
		return t.block(clean(true, text), "            ")
	}
	at := ""
	if d.At != "" {
		at = " at " + clean(true, d.At)
	}
	t.printf("first difference: %s %d%s\n  recorded: %s\n  replayed: %s", d.What, d.Index+1, at, side(d.Recorded), side(d.Replayed))
}
