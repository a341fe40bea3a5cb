package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

func logsCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "show what functions logged, and how their invocations failed", ArgsUsage: "[TENANT[/FUNCTION]]",
		Description: "Shows the last lines that the supervisor keeps in memory: up to 1,000 of each function, since its start. With\n" +
			"--follow it goes on with those that come, until it is interrupted. With --json it prints one object a line.\n" +
			"  supervisor logs -f acme --level warn              # of one tenant, warnings and worse\n" +
			"  supervisor logs acme/resize --outcome deadline --since 1h\n" +
			"  supervisor logs --outcome failed --tail 20 --json # the last failures of all tenants",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on with the lines that come"},
			&cli.StringFlag{Name: "level", Usage: "at least this `LEVEL`: debug, info, warn or error", Value: "debug"},
			&cli.StringFlag{Name: "outcome", Usage: "only lines that tell that an invocation ended with this `OUTCOME`, like exception, deadline or policy; failed for any failure"},
			&cli.StringFlag{Name: "since", Usage: "no older ones: a `TIME` like 2026-01-02T15:04:05Z, or how long ago, like 10m"},
			&cli.IntFlag{Name: "tail", Usage: "the last `N` of the past; -1 for all", Value: 100},
			&cli.StringFlag{Name: "grep", Usage: "messages that match this regular `EXPRESSION` only"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) (err error) {
			filter := client.LogFilter{
				Level: c.String("level"), Outcome: c.String("outcome"), Since: c.String("since"), Tail: c.Int("tail"), Grep: c.String("grep"), Follow: c.Bool("follow"),
			}
			if filter.Tenant = args[0]; strings.Contains(args[0], "/") {
				if filter.Tenant, filter.Function, err = splitName(args[0]); err != nil {
					return err
				}
			}
			return api.Logs(c.Context, filter, func(line []byte) error {
				if t.json {
					_, err := fmt.Fprintf(t.out, "%s\n", plainjson.Escape(line))
					return err
				}
				text, err := t.logsLine(line, filter.Function == "")
				if err == nil {
					_, err = fmt.Fprintln(t.out, text)
				}
				return err
			})
		}),
	}
}

// levelColors are what lines are painted in.
var levelColors = map[string]string{"debug": dim, "warn": yellow, "error": red}

// logsLine words a line for people. Nothing of what a tenant wrote in it can act
// on the terminal, or pass for a line of ours.
func (t *terminal) logsLine(line []byte, named bool) (string, error) {
	var l client.LogLine
	if err := json.Unmarshal(line, &l); err != nil {
		return "", fmt.Errorf("the supervisor sent a line that cannot be read: %w", err)
	}
	at := l.Time.Local().Format("15:04:05.000")
	if l.Lost > 0 {
		return fmt.Sprintf("%s  %d lines are missing here", at, l.Lost), nil
	}
	where := l.Function
	if named {
		where = l.Tenant + "/" + l.Function
	}
	// The end of the id is what tells invocations of one moment apart.
	id := l.Invocation[max(len(l.Invocation)-8, 0):]
	head := fmt.Sprintf("%s  %-5s  %s  %s  ", at, l.Level, quoteUnprintable(where), quoteUnprintable(id))
	if color := levelColors[l.Level]; color != "" {
		head = t.paint(t.outTTY, color, head)
	}
	message := strings.TrimRight(clean(true, l.Message), "\n") // also for a terminal behind a pipe
	return head + strings.ReplaceAll(message, "\n", "\n    "), nil
}
