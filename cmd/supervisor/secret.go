package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func secretCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "secret", Usage: "keep what functions may use and not see",
		Subcommands: []*cli.Command{secretSetCommand(t), secretListCommand(t), secretDeleteCommand(t)},
	}
}

func secretSetCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "set a tenant's secret", ArgsUsage: "TENANT/NAME",
		Description: "The value is read from standard input, or from a file, so that no shell remembers it; one line end behind it\n" +
			"is dropped. A function gets a placeholder from secrets.get, which fetch replaces in request headers\n" +
			"on the way to the hosts that are named here, and only there.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "a `HOST` that it may be sent to, like api.example.com or *.example.com; may be repeated"},
			&cli.BoolFlag{Name: "reveal", Usage: "let functions have the value itself"},
			&cli.StringFlag{Name: "value", Usage: "read the value from this `FILE`; - for standard input", Value: "-"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, name, err := splitName(args[0])
			if err != nil {
				return err
			}
			s := client.Secret{Name: name, Hosts: append([]string{}, c.StringSlice("host")...), Reveal: c.Bool("reveal")}
			if len(s.Hosts) == 0 && !s.Reveal {
				return &usageError{message: "nothing could use the secret", hint: "name the hosts it may be sent to with --host, or --reveal it"}
			}
			value, err := readSource(t, c.String("value"))
			if err != nil {
				return err
			}
			text := strings.TrimSuffix(strings.TrimSuffix(string(value), "\n"), "\r")
			if err := api.PutSecret(c.Context, tenant, s, text); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]any{"tenant": tenant, "name": name, "hosts": s.Hosts, "reveal": s.Reveal})
			}
			t.printf("secret %s/%s is set", tenant, name)
			return nil
		}),
	}
}

func secretListCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list a tenant's secrets, without their values", ArgsUsage: "TENANT", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			list, err := api.Secrets(c.Context, args[0])
			if err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]any{"secrets": list})
			}
			if len(list) == 0 {
				t.printf("no secrets")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "SECRET\tHOSTS\tREVEALED\tUPDATED")
			for _, s := range list {
				fmt.Fprintf(w, "%s\t%s\t%t\t%s\n", s.Name, strings.Join(s.Hosts, " "), s.Reveal, s.Updated.Local().Format(time.DateTime))
			}
			return w.Flush()
		}),
	}
}

func secretDeleteCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a tenant's secret", ArgsUsage: "TENANT/NAME", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			tenant, name, err := splitName(args[0])
			if err != nil {
				return err
			}
			if err := api.DeleteSecret(c.Context, tenant, name); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"tenant": tenant, "deleted": name})
			}
			t.printf("secret %s/%s is deleted", tenant, name)
			return nil
		}),
	}
}
