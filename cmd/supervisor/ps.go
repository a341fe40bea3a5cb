package main

import (
	"cmp"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func psCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list the sandbox processes, of one tenant or all", ArgsUsage: "[TENANT]",
		Description: "A process is spare until it gets a tenant, for good; then it is assigned while it runs something, and idle\n" +
			"otherwise. MEMORY is what it has resident, with what it shares with the others, and SHARE counts its part of\n" +
			"that; INSTANCES is what the process says of itself.",
		Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			list, err := api.Sandboxes(c.Context)
			if err != nil {
				return err
			}
			if tenant := args[0]; tenant != "" {
				if _, err := api.Tenant(c.Context, tenant); err != nil {
					return err
				}
				list = slices.DeleteFunc(list, func(b client.Sandbox) bool { return b.Tenant != tenant })
			}
			if t.json {
				return t.document(map[string]any{"sandboxes": list})
			}
			now := time.Now()
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "PID\tSTATE\tTENANT\tAGE\tMEMORY\tSHARE\tCPU\tTIME\tRUNNING\tFUNCTIONS\tINSTANCES")
			for _, b := range list {
				share := "-"
				if b.Proportional > 0 {
					share = shortSize(b.Proportional)
				}
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%.0f%%\t%.2fs\t%d\t%d\t%d\n", b.PID, b.State, cmp.Or(b.Tenant, "-"), shortAge(now.Sub(b.Started)),
					shortSize(b.Resident), share, 100*b.Load, b.CPUSeconds, b.Running, b.Functions, b.Instances)
			}
			return w.Flush()
		}),
	}
}

// shortSize writes bytes in three digits or so: "9.8M", "120M".
func shortSize(n int64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"K", "M", "G", "T"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, next
	}
	if v < 10 && unit != "B" {
		return fmt.Sprintf("%.1f%s", v, unit)
	}
	return fmt.Sprintf("%.0f%s", v, unit)
}

// shortAge writes how long ago something was in its largest unit.
func shortAge(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}
