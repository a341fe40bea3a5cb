package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/gateway"
)

const refHelp = "A VERSION is its first digits (4 or more) or an alias, like live or staging."

func versionsCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "versions", Usage: "list the versions of a function, and what has become of what is live", ArgsUsage: "TENANT/FUNCTION",
		Flags: []cli.Flag{serverFlag()},
		Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, _ []string) error {
			all, err := api.Versions(c.Context, tenant, function)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(all)
			}
			return t.versions(all)
		}),
	}
}

func (t *terminal) versions(all client.Versions) error {
	w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "VERSION\tLIVE\tALIASES\tMEMORY\tTIMEOUT\tCONCURRENCY\tPOLICY\tDEPLOYED")
	for _, v := range all.Versions {
		live := "-"
		switch {
		case v.Weight > 0:
			live = fmt.Sprintf("%d%%", v.Weight)
		case v.Version == all.Previous:
			live = "previous"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", shortVersion(v.Version), live, cmp.Or(strings.Join(v.Aliases, ","), "-"),
			gateway.FormatSize(v.Memory), v.Timeout, v.Concurrency, cmp.Or(v.Policy, "-"), v.Deployed.Local().Format(time.DateTime))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range all.Versions {
		if len(v.MissingSecrets) > 0 && len(v.Aliases) > 0 {
			t.printf("version %s mentions secrets that do not exist any more: %s", shortVersion(v.Version), strings.Join(v.MissingSecrets, ", "))
		}
	}
	if s := all.Split; s != nil && s.Rollback != nil {
		t.printf("\nthe split ends when more than %s of %d or more invocations within %s fail; so far %d of %d have",
			s.Rollback.Errors, s.Rollback.Min, s.Rollback.Window, s.Failed, s.Invocations)
	}
	if len(all.History) == 0 {
		return nil
	}
	fmt.Fprintln(t.out)
	w = tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "WHEN\tWHAT\tVERSION\tDETAIL")
	for i := len(all.History) - 1; i >= 0; i-- {
		h := all.History[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.At.Local().Format(time.DateTime), h.What, cmp.Or(shortVersion(h.Version), "-"), h.Detail)
	}
	return w.Flush()
}

func diffCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "compare two versions of a function", ArgsUsage: "TENANT/FUNCTION [FROM] [TO]",
		Description: refHelp + "\nWithout TO it is compared with live, and without both the version before with live.\n" +
			"Code is compared by the sources in the source maps, if both versions have one.",
		Flags: []cli.Flag{serverFlag()},
		Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, args []string) error {
			from, to := args[0], args[1]
			if from == "" {
				all, err := api.Versions(c.Context, tenant, function)
				if err != nil {
					return err
				}
				if from = all.Previous; from == "" {
					return usagef("no version was live before: name two, as `supervisor versions %s/%s` lists them", tenant, function)
				}
			}
			d, err := api.Diff(c.Context, tenant, function, from, to)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(d)
			}
			return t.diff(d)
		}),
	}
}

func (t *terminal) diff(d client.Diff) error {
	if len(d.Fields) == 0 && len(d.Files) == 0 {
		t.printf("versions %s and %s are the same", shortVersion(d.From.Version), shortVersion(d.To.Version))
		return nil
	}
	for _, f := range d.Fields {
		fmt.Fprintf(t.out, "%s: %s -> %s\n", clean(t.outTTY, f.Field), shownValue(f.From), shownValue(f.To))
	}
	for _, f := range d.Files {
		if f.Unified == "" {
			fmt.Fprintf(t.out, "%s differs: %s\n", quoteUnprintable(f.Name), f.Reason)
			continue
		}
		for line := range strings.Lines(f.Unified) {
			text := clean(t.outTTY, line)
			switch {
			case strings.HasPrefix(line, "+"):
				text = t.paint(t.outTTY, green, text)
			case strings.HasPrefix(line, "-"):
				text = t.paint(t.outTTY, red, text)
			case strings.HasPrefix(line, "@@"):
				text = t.paint(t.outTTY, dim, text)
			}
			if _, err := fmt.Fprint(t.out, text); err != nil {
				return err
			}
		}
	}
	return nil
}

func shownValue(s string) string {
	if s == "" {
		return "(none)"
	}
	return quoteUnprintable(s)
}

func rollbackCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "rollback", Usage: "make an earlier version of a function live again", ArgsUsage: "TENANT/FUNCTION [VERSION]",
		Description: refHelp + "\nWithout VERSION it is the one that was live before; a second rollback leads back. With a split, it ends the split.\n" +
			"The version's limits, policy and variables come back with its code.",
		Flags: []cli.Flag{serverFlag()},
		Action: onFunction(func(c *cli.Context, api *client.Client, tenant, function string, args []string) error {
			f, err := api.Rollback(c.Context, tenant, function, args[0])
			if err != nil {
				return err
			}
			if t.json {
				return t.document(f)
			}
			t.printf("%s/%s: version %s is live", f.Tenant, f.Function, shortVersion(f.Version))
			return nil
		}),
	}
}

// onFunction is onServer for commands whose first argument is TENANT/FUNCTION;
// the others are padded with empty ones, up to two.
func onFunction(run func(c *cli.Context, api *client.Client, tenant, function string, rest []string) error) cli.ActionFunc {
	return onServer(func(c *cli.Context, api *client.Client, args []string) error {
		tenant, function, err := splitName(args[0])
		if err != nil {
			return err
		}
		return run(c, api, tenant, function, append(args[1:len(args):len(args)], "", ""))
	})
}

// shortVersion is as much of a version's name as people need.
func shortVersion(s string) string { return s[:min(len(s), 12)] }
