package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func usageCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "usage", Usage: "show what functions used, summed up by the hour", ArgsUsage: "[TENANT[/FUNCTION]]",
		Description: "Adds up the receipts of the invocations that have ended, as far back as the ledger goes (usage.keep, 35 days by\n" +
			"default). Hours and days are UTC's. With --csv there is a column for each outcome and each API.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "from the hour on that holds this: a `TIME` like 2026-01-31T15:00:00Z, a day like 2026-01-31, or how long ago, like 24h"},
			&cli.StringFlag{Name: "until", Usage: "up to the hour before this `TIME`"},
			&cli.StringFlag{Name: "by", Usage: "what has a line of its own: tenant, function, or a tenant's day or hour", Value: "tenant"},
			&cli.BoolFlag{Name: "csv", Usage: "print comma-separated values"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) (err error) {
			filter := client.UsageFilter{Tenant: args[0], Since: c.String("since"), Until: c.String("until"), By: c.String("by")}
			if strings.Contains(args[0], "/") {
				if filter.Tenant, filter.Function, err = splitName(args[0]); err != nil {
					return err
				}
				if !c.IsSet("by") {
					filter.By = "function"
				}
			}
			if t.json && c.Bool("csv") {
				return usagef("--json and --csv cannot both be given")
			}
			rows, err := api.Usage(c.Context, filter)
			switch {
			case err != nil:
				return err
			case t.json:
				return t.document(map[string]any{"rows": rows})
			case c.Bool("csv"):
				return usageCSV(t.out, rows)
			case len(rows) == 0:
				t.printf("nothing has been used")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, strings.Join(usageKey(filter.By), "\t")+"\tINVOCATIONS\tERRORS\tCOLD\tWALL\tCPU\tGB-SECONDS\tCALLS\tDENIED\tSENT\tRECEIVED")
			for _, r := range rows {
				calls := r.HostCalls()
				fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%.3f\t%d\t%d\t%s\t%s\n", strings.Join(usageKeyOf(&r, filter.By), "\t"),
					r.Invocations, r.Errors, r.Cold, longTime(r.WallMS), longTime(r.CPUMS), r.GBSeconds, calls.Count, calls.Denied, formatSize(calls.Sent), formatSize(calls.Received))
			}
			return w.Flush()
		}),
	}
}

func usageKey(by string) []string {
	if by == "tenant" {
		return []string{"TENANT"}
	}
	return []string{"TENANT", strings.ToUpper(by)}
}

func usageKeyOf(r *client.UsageRow, by string) []string {
	key := []string{quoteUnprintable(r.Tenant)}
	switch {
	case by == "function":
		key = append(key, quoteUnprintable(r.Function))
	case by == "day" && r.From != nil:
		key = append(key, r.From.UTC().Format(time.DateOnly))
	case by == "hour" && r.From != nil:
		key = append(key, r.From.UTC().Format("2006-01-02T15Z"))
	}
	return key
}

// longTime shows milliseconds that may be many.
func longTime(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%.2f h", d.Hours())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// usageCSV writes all that is known, with a column for each outcome and for each
// API that is there.
func usageCSV(out io.Writer, rows []client.UsageRow) error {
	var outcomes, apis []string
	for _, r := range rows {
		for o := range r.Outcomes {
			outcomes = append(outcomes, o)
		}
		for _, c := range r.Calls {
			apis = append(apis, c.API)
		}
	}
	slices.Sort(outcomes)
	slices.Sort(apis)
	outcomes, apis = slices.Compact(outcomes), slices.Compact(apis)
	w := csv.NewWriter(out)
	head := []string{"tenant", "function", "from", "invocations", "errors", "cold_starts", "wall_ms", "queued_ms", "cpu_ms", "gb_seconds", "calls", "denied", "sent_bytes", "received_bytes"}
	for _, o := range outcomes {
		head = append(head, "outcome_"+o)
	}
	for _, a := range apis {
		head = append(head, a+"_calls", a+"_ms", a+"_sent_bytes", a+"_received_bytes")
	}
	if err := w.Write(head); err != nil {
		return err
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	decimal := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	for _, r := range rows {
		from := ""
		if r.From != nil {
			from = r.From.UTC().Format(time.RFC3339)
		}
		all := r.HostCalls()
		line := []string{r.Tenant, r.Function, from, number(r.Invocations), number(r.Errors), number(r.Cold), decimal(r.WallMS), decimal(r.QueuedMS), decimal(r.CPUMS),
			decimal(r.GBSeconds), number(all.Count), number(all.Denied), strconv.FormatInt(all.Sent, 10), strconv.FormatInt(all.Received, 10)}
		for _, o := range outcomes {
			line = append(line, number(r.Outcomes[o]))
		}
		for _, a := range apis {
			var of client.CallTotals
			if i := slices.IndexFunc(r.Calls, func(c client.CallTotals) bool { return c.API == a }); i >= 0 {
				of = r.Calls[i]
			}
			line = append(line, number(of.Count), decimal(of.TimeMS), strconv.FormatInt(of.Sent, 10), strconv.FormatInt(of.Received, 10))
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
