package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

func tokenCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "token", Usage: "say who may use the HTTP API",
		Subcommands: []*cli.Command{tokenCreateCommand(t), tokenListCommand(t), tokenRevokeCommand(t), tokenGenerateCommand(t)},
	}
}

func tokenCreateCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "create a token", ArgsUsage: "NAME",
		Description: "Prints the token, which is kept nowhere and cannot be shown again. It holds at once. With the first one,\n" +
			"requests over TCP need a token from then on; the admin socket does not.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "scope", Usage: "what it may do: `SCOPE` is admin, tenant-deploy, tenant-invoke or metrics; may be repeated"},
			&cli.StringFlag{Name: "tenant", Usage: "the one `TENANT` that tenant-deploy and tenant-invoke are for"},
			&cli.DurationFlag{Name: "expires", Usage: "how long it holds, like 720h", DefaultText: "for ever"},
			&cli.StringFlag{Name: "rate", Usage: "the most invocations, like 100/s, 6000/m or 1000/h", DefaultText: "as the tenant's tier"},
			&cli.IntFlag{Name: "burst", Usage: "how many of them at once after a pause", DefaultText: "those of a second"},
			&cli.IntFlag{Name: "max-inflight", Usage: "the most invocations under way", DefaultText: "as the tenant's tier"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			wanted := client.Token{Name: args[0], Scopes: c.StringSlice("scope"), Tenant: c.String("tenant"),
				Rate: c.String("rate"), Burst: c.Int("burst"), MaxInflight: c.Int("max-inflight")}
			if len(wanted.Scopes) == 0 {
				return &usageError{message: "missing --scope", hint: "it is admin, tenant-deploy, tenant-invoke or metrics; the two in the middle go with --tenant"}
			}
			if d := c.Duration("expires"); c.IsSet("expires") {
				if d <= 0 {
					return usagef("--expires: %v is not a duration above 0", d)
				}
				wanted.Expires = time.Now().Add(d).UTC()
			}
			created, text, err := api.CreateToken(c.Context, wanted)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(struct {
					client.Token
					Text string `json:"token"`
				}{created, text})
			}
			t.notef("token %s: %s; it is shown only now", created.Name, tokenRights(created))
			t.printf("%s", text)
			return nil
		}),
	}
}

func tokenListCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the tokens, without their secrets", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, _ []string) error {
			list, err := api.Tokens(c.Context)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]any{"tokens": append([]client.Token{}, list...)})
			}
			if len(list) == 0 {
				t.printf("no tokens")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "TOKEN\tID\tRIGHTS\tLIMITS\tCREATED\tEXPIRES\tLAST USED")
			for _, k := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.ID, tokenRights(k), tokenLimits(k), when(k.Created, "-"), when(k.Expires, "never"), when(k.Used, "never"))
			}
			return w.Flush()
		}),
	}
}

func tokenRevokeCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "revoke", Usage: "end a token, at once", ArgsUsage: "NAME", Flags: []cli.Flag{serverFlag()},
		Action: onServer(func(c *cli.Context, api *client.Client, args []string) error {
			if err := api.RevokeToken(c.Context, args[0]); err != nil {
				return err
			}
			if t.json {
				return t.document(map[string]string{"revoked": args[0]})
			}
			t.printf("token %s is revoked", args[0])
			return nil
		}),
	}
}

func tokenGenerateCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "generate", Usage: "make a token for the key auth.admin_token_file, without a server",
		Description: "For provisioning: put it into a file that only the supervisor can read, or into the systemd credential\n" + adminCredential + ".",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			text := tokens.Generate()
			if t.json {
				return t.document(map[string]string{"token": text})
			}
			t.printf("%s", text)
			return nil
		},
	}
}

func tokenRights(k client.Token) string {
	rights := strings.Join(k.Scopes, ", ")
	if k.Tenant != "" {
		rights += " of " + k.Tenant
	}
	return rights
}

func tokenLimits(k client.Token) string {
	var limits []string
	if k.Rate != "" {
		limits = append(limits, k.Rate)
	}
	if k.MaxInflight > 0 {
		limits = append(limits, fmt.Sprintf("%d at once", k.MaxInflight))
	}
	if len(limits) == 0 {
		return "-"
	}
	return strings.Join(limits, ", ")
}

func when(at time.Time, zero string) string {
	if at.IsZero() {
		return zero
	}
	return at.Local().Format(time.DateTime)
}
