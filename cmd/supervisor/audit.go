package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

func auditCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "audit", Usage: "follow what functions ask for, and what their policies say",
		Description: "Prints every decision about a host call from now on, until it is interrupted. The past lies in the\n" +
			"data directory, in audit/audit.jsonl and the files beside it. With --json it prints one object a line.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "tenant", Usage: "of this `TENANT` only"},
			&cli.StringFlag{Name: "function", Usage: "of functions of this `NAME` only"},
			&cli.StringFlag{Name: "api", Usage: "calls of this `API` only, like fetch or kv.get"},
			&cli.StringFlag{Name: "action", Usage: "decisions of this kind only: allow, deny, audit, kill or quota"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, _ []string) error {
			filter := client.AuditFilter{Tenant: c.String("tenant"), Function: c.String("function"), API: c.String("api"), Action: c.String("action")}
			return api.FollowAudit(c.Context, filter, func(line []byte) error {
				if t.json {
					_, err := fmt.Fprintf(t.out, "%s\n", plainjson.Escape(line))
					return err
				}
				text, err := auditLine(line)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(t.out, text)
				return err
			})
		}),
	}
}

// auditEntry is what auditLine shows of an entry.
type auditEntry struct {
	Time       time.Time
	Tenant     string
	Function   string
	API        string
	Action     string
	Policy     string
	Rule       string
	Place      string
	Reason     string
	Error      string
	Attributes map[string]any
	Lost       uint64
}

// auditLine words an entry for people. What tenants chose in it is quoted
// where it holds more than printable text.
func auditLine(line []byte) (string, error) {
	var e auditEntry
	if err := json.Unmarshal(line, &e); err != nil {
		return "", fmt.Errorf("the supervisor sent an entry that cannot be read: %w", err)
	}
	at := e.Time.Local().Format("15:04:05.000")
	if e.Lost > 0 {
		return fmt.Sprintf("%s  %d entries are missing here", at, e.Lost), nil
	}
	rule := e.Policy + " " + e.Rule
	if e.Place != "" {
		rule += " at " + e.Place
	}
	text := fmt.Sprintf("%s  %-5s  %s/%s  %s  %s  (%s)", at, e.Action, e.Tenant, e.Function, e.API, e.what(), rule)
	if e.Error != "" {
		text += "  " + quoteUnprintable(e.Error)
	}
	return text, nil
}

// quoteUnprintable quotes a text that could do something to a terminal, or run
// into the words around it.
func quoteUnprintable(s string) string {
	if quoted := fmt.Sprintf("%+q", s); len(quoted) != len(s)+2 || strings.Contains(s, " ") {
		return quoted
	}
	return s
}
