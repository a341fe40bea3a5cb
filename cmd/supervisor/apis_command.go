package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
)

// apiDocument is one API in the output of --json.
type apiDocument struct {
	Name string `json:"name"`
	// Kind is "built-in", "http" or "plugin FILE".
	Kind      string          `json:"kind"`
	Doc       string          `json:"doc,omitempty"`
	Sync      bool            `json:"sync,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
}

func apisCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "apis", Usage: "list the platform APIs: the built-in ones and those that a configuration adds",
		Description: "Starts the configuration's plugins to ask them, and ends them again; no server is needed.\n" +
			"With --json, each has the JSON Schema of its arguments and its result. --types prints TypeScript declarations:\n" +
			"  supervisor apis --config bulkhead.yaml --types > bulkhead.d.ts",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "configuration `FILE`, as for serve"},
			&cli.BoolFlag{Name: "types", Usage: "print TypeScript declarations of what functions and tests find"},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			list, err := listAPIs(c)
			if err != nil {
				return err
			}
			if c.Bool("types") {
				text := typeDeclarations(list)
				if t.json {
					return t.document(map[string]string{"types": text})
				}
				_, err := io.WriteString(t.out, clean(t.outTTY, text))
				return err
			}
			if t.json {
				return t.document(map[string]any{"apis": list})
			}
			w := tabwriter.NewWriter(t.out, 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "API\tKIND\tWHAT IT DOES")
			for _, api := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\n", api.Name, api.Kind, api.Doc)
			}
			return w.Flush()
		},
	}
}

func listAPIs(c *cli.Context) (list []apiDocument, err error) {
	var conf config
	if path := c.String("config"); path != "" {
		if conf, err = loadConfig(path); err != nil {
			return nil, err
		}
	}
	databases, err := os.MkdirTemp("", "bulkhead-apis-")
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Internal, Detail: "cannot make a temporary directory: " + err.Error(), Err: err}
	}
	defer os.RemoveAll(databases)
	conf.Postgres = postgresConfig{} // a list needs no server
	builtin, err := openAPIs(c.Context, conf, databases, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer builtin.Close()
	own, err := openOwnAPIs(c.Context, conf, builtin.list, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer own.Close()
	for _, api := range builtin.list {
		list = append(list, describeAPI(api, "built-in"))
	}
	for _, api := range own.list {
		list = append(list, describeAPI(api, own.kinds[api.Name]))
	}
	return list, nil
}

func describeAPI(api platform.API, kind string) apiDocument {
	d := apiDocument{Name: api.Name, Kind: kind, Doc: api.Doc, Sync: api.Sync}
	if api.Schema != nil {
		d.Arguments, d.Result = api.Schema.Arguments(), api.Schema.Result()
	}
	return d
}
