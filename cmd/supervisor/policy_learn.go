package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/policies"
)

// Bounds of what is learned from.
const (
	maxAuditLine  = 1 << 20
	maxAuditCalls = 1_000_000
)

func policyLearnCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "learn", Usage: "write the smallest policy that allows what an audit log recorded", ArgsUsage: "[FILE]",
		Description: `FILE is an audit log: JSON lines with the fields api and attributes; standard input if left out, or for "-".
Let a function do all that it should under a policy with the default audit, then
  supervisor policy learn audit.jsonl --tenant acme --function hook --name hook > hook.yaml`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "the new policy's `NAME`", Value: "learned"},
			&cli.StringFlag{Name: "tenant", Usage: "only what this `TENANT` did"},
			&cli.StringFlag{Name: "function", Usage: "only what this `FUNCTION` did"},
			&cli.BoolFlag{Name: "denied", Usage: "allow also what was denied"},
		},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "[FILE]")
			if err != nil {
				return err
			}
			in := t.in
			if args[0] != "" && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usagef("cannot read %s: %v", args[0], plain(err))
				}
				defer f.Close()
				in = f
			}
			calls, denied, err := readAudit(in, c.String("tenant"), c.String("function"), c.Bool("denied"))
			if err != nil {
				return err
			}
			doc, err := policies.Learn(c.String("name"), calls)
			if err != nil {
				return usagef("nothing can be learned from this: %v", err)
			}
			if denied > 0 {
				t.notef("denied, and so left out: %d; --denied takes them in", denied)
			}
			if t.json {
				return t.document(map[string]any{"calls": len(calls), "denied": denied, "policy": string(doc)})
			}
			_, err = t.out.Write(doc)
			return err
		},
	}
}

// readAudit reads the calls of an audit log, and counts those that it leaves
// out because they were denied.
func readAudit(in io.Reader, tenant, function string, all bool) (calls []policies.Call, denied int, err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxAuditLine)
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var line struct {
			policies.Call
			Tenant   string           `json:"tenant"`
			Function string           `json:"function"`
			Action   *policies.Action `json:"action"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.API == "" {
			return nil, 0, usagef("line %d is not a call of an audit log", n)
		}
		switch {
		case tenant != "" && line.Tenant != tenant, function != "" && line.Function != function:
		case !all && line.Action != nil && !line.Action.Allows():
			denied++
		case len(calls) == maxAuditCalls:
			return nil, 0, usagef("there are more than %d calls; choose some with --tenant and --function", maxAuditCalls)
		default:
			calls = append(calls, line.Call)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, 0, usagef("line %d is longer than %d bytes", n+1, maxAuditLine)
	} else if err != nil {
		return nil, 0, usagef("cannot read the audit log: %v", plain(err))
	}
	return calls, denied, nil
}
