package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

func memoryFlag() cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "memory limit of an instance, a `SIZE` like 5MiB (default: 5MiB)"}
}

func timeoutFlag() cli.Flag {
	return &cli.StringFlag{Name: "timeout", Usage: "wall time of an invocation, a `DURATION` like 300ms (default: 5s)"}
}

func cpuFlag() cli.Flag {
	return &cli.StringFlag{Name: "cpu", Usage: "CPU time of an invocation, a `DURATION` like 50ms (default: the tier's most, or no limit beside the timeout)"}
}

func eventFlag() cli.Flag {
	return &cli.StringFlag{Name: "event", Usage: "the event: `JSON`, @FILE, or - for standard input", DefaultText: "null"}
}

// functionSettings reads the flags that a command has of --memory, --timeout,
// --cpu, --concurrency, --isolation, --policy and --public. What is not given stays zero.
func functionSettings(c *cli.Context) (s client.FunctionSettings, err error) {
	if c.IsSet("memory") {
		if s.Memory, err = gateway.ParseSize(c.String("memory")); err != nil || s.Memory <= 0 {
			return s, usagef("--memory: %q is not a size; write it like 5MiB", c.String("memory"))
		}
	}
	if c.IsSet("timeout") {
		if s.Timeout, err = time.ParseDuration(c.String("timeout")); err != nil || s.Timeout <= 0 {
			return s, usagef("--timeout: %q is not a duration; write it like 300ms or 5s", c.String("timeout"))
		}
	}
	if c.IsSet("cpu") {
		if s.CPU, err = time.ParseDuration(c.String("cpu")); err != nil || s.CPU <= 0 {
			return s, usagef("--cpu: %q is not a duration; write it like 50ms", c.String("cpu"))
		}
	}
	if c.IsSet("concurrency") {
		if s.Concurrency = c.Int("concurrency"); s.Concurrency <= 0 {
			return s, usagef("--concurrency: %d is not above 0", s.Concurrency)
		}
	}
	if c.IsSet("isolation") {
		if s.Isolation = c.String("isolation"); s.Isolation != "fresh" && s.Isolation != "warm" {
			return s, usagef("--isolation: %q is neither fresh nor warm", s.Isolation)
		}
	}
	s.Policy, s.Public = c.String("policy"), c.Bool("public")
	return s, nil
}

// readEvent reads --event.
func readEvent(t *terminal, c *cli.Context) (json.RawMessage, error) {
	if !c.IsSet("event") {
		return json.RawMessage("null"), nil
	}
	return eventOf(t, c.String("event"))
}

// eventOf reads the value of --event.
func eventOf(t *terminal, value string) (json.RawMessage, error) {
	data := []byte(value)
	if path, isFile := strings.CutPrefix(value, "@"); isFile || value == "-" {
		var err error
		if data, err = readSource(t, path); err != nil {
			return nil, err
		}
	}
	var event json.RawMessage
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, &outcome.Error{
			Outcome: outcome.Invalid, Err: err,
			Detail: fmt.Sprintf("the event is not valid JSON: %v", err),
			Remedy: `quote it for the shell: --event '{"name":"Ada"}'`,
		}
	}
	return event, nil
}
