package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
)

// maxLearned is what the audit log of a learning run may take, in bytes: more
// than maxAuditCalls calls do.
const maxLearned = 1 << 30

// maxEvents is how many events a learning run may have.
const maxEvents = 10_000

// learning lets functions do everything but reach private addresses, and
// records it.
const learning = "version: 1\nname: learning\ndefault: audit\n"

// learnFromFunction runs a function, and writes the policy that it needs.
func learnFromFunction(t *terminal, c *cli.Context) error {
	args, err := arguments(c, "PATH")
	if err != nil {
		return err
	}
	if args[0] == "-" && c.String("events") == "-" {
		return usagef("PATH and --events cannot both be standard input")
	}
	settings, err := functionSettings(c)
	if err != nil {
		return err
	}
	events, err := readEvents(t, c)
	if err != nil {
		return err
	}
	if _, err := policies.Learn(c.String("name"), nil); err != nil {
		return usagef("%v", err)
	}
	policy, err := policies.Parse("learning.yaml", []byte(learning), nil)
	if err != nil {
		return err
	}
	src, err := readFunction(t, c, args[0])
	if err != nil {
		return err
	}
	spec := localFunction(args[0], src, settings)
	return temporary(func(dir string) error {
		l, err := openLocal(c, dir, localSetup{})
		if err != nil {
			return err
		}
		var first error
		for i, event := range events {
			_, err := l.once(c, spec, policy, event)
			if err == nil {
				continue
			}
			if outcome.Of(err) == outcome.Invalid || c.Context.Err() != nil {
				return errors.Join(err, l.Close()) // with any event
			}
			t.notef("event %d: %s", i+1, describe(err).Detail)
			if first == nil {
				first = err
			}
		}
		if err := l.Close(); err != nil {
			return err
		}
		s, err := readLearned(dir)
		if err != nil {
			return err
		}
		if err := t.learned(c.String("name"), s); err != nil {
			return err
		}
		if first != nil {
			return exitStatus(outcome.Of(first).ExitCode())
		}
		return nil
	})
}

// readLearned reads the whole audit log of a local supervisor that is closed.
func readLearned(dir string) (seen, error) {
	files, err := filepath.Glob(filepath.Join(dir, "audit", "*"))
	if err != nil || len(files) != 1 {
		return seen{}, &outcome.Error{Outcome: outcome.TooLarge, Detail: "the function made too many calls to learn from", Remedy: "give it fewer events", Err: err}
	}
	f, err := os.Open(files[0])
	if err != nil {
		return seen{}, &outcome.Error{Outcome: outcome.Internal, Detail: "cannot read the audit log: " + err.Error(), Err: err}
	}
	defer f.Close()
	s, err := readAudit(f, "", "", false)
	if err == nil && s.lost > 0 {
		err = &outcome.Error{Outcome: outcome.Internal, Detail: fmt.Sprintf("%d calls were not recorded", s.lost), Remedy: "try again when the machine has less to do"}
	}
	s.hint = ""
	return s, err
}

// readEvents reads --event and --events.
func readEvents(t *terminal, c *cli.Context) ([]json.RawMessage, error) {
	var events []json.RawMessage
	for _, value := range c.StringSlice("event") {
		event, err := eventOf(t, value)
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	if name := c.String("events"); name != "" {
		data, err := readSource(t, name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, maxInput)
		for n := 1; lines.Scan(); n++ {
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 {
				continue
			}
			if !json.Valid(line) {
				return nil, usagef("%s: line %d is not JSON", name, n)
			}
			events = append(events, bytes.Clone(line))
		}
		if len(events) == 0 {
			return nil, usagef("there is no event in %s", name)
		}
	}
	if len(events) > maxEvents {
		return nil, usagef("there are %d events; %d are the most", len(events), maxEvents)
	}
	if events == nil {
		events = []json.RawMessage{json.RawMessage("null")}
	}
	return events, nil
}
