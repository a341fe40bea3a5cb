package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/endpoint"
	"github.com/bulkhead-run/bulkhead/platform/plugins"
)

// ownAPIs are the APIs that the configuration adds, with what they hold open.
type ownAPIs struct {
	list      []platform.API
	kinds     map[string]string // of each name: "plugin FILE" or "http"
	endpoints []*endpoint.Endpoint
	plugins   *plugins.Plugins
}

// openOwnAPIs starts the plugins and makes the endpoints. Their names must not
// be those of builtin.
func openOwnAPIs(ctx context.Context, c config, builtin []platform.API, logger *slog.Logger) (*ownAPIs, error) {
	own := &ownAPIs{kinds: map[string]string{}}
	var taken []string
	for _, api := range builtin {
		taken = append(taken, api.Name)
	}
	var problems []outcome.Problem
	for i, e := range c.APIs.HTTP {
		err := own.addEndpoint(c, e, taken, logger)
		if err != nil {
			problems = append(problems, outcome.Problem{
				File: c.file, Line: e.Name.line, Column: 1, Reason: fmt.Sprintf("apis.http[%d]: %v", i, err),
			})
			continue
		}
		taken = append(taken, e.Name.text)
	}
	if dir := c.APIs.Plugins; dir.text != "" && len(problems) == 0 {
		var err error
		own.plugins, err = plugins.Open(ctx, plugins.Options{Dir: c.path(dir.text), Taken: taken, Logger: logger})
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				problems = append(problems, outcome.Problem{
					File: c.file, Line: dir.line, Column: 1, Reason: "apis.plugins: " + strings.TrimSpace(line),
				})
			}
		} else {
			own.list = append(own.list, own.plugins.APIs()...)
			for _, api := range own.plugins.APIs() {
				own.kinds[api.Name] = "plugin " + own.plugins.Source(api.Name)
			}
		}
	}
	if len(problems) > 0 {
		own.Close()
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: "the APIs of the configuration are wrong", Problems: problems}
	}
	return own, nil
}

func (own *ownAPIs) addEndpoint(c config, e endpointConfig, taken []string, logger *slog.Logger) error {
	if err := platform.CheckName(e.Name.text, taken); err != nil {
		return err
	}
	arguments, err := c.schema(e.Arguments)
	if err != nil {
		return err
	}
	result, err := c.schema(e.Result)
	if err != nil {
		return err
	}
	schema, err := platform.NewSchema(arguments, result)
	if err != nil {
		return err
	}
	header, err := c.header(e)
	if err != nil {
		return err
	}
	made, err := endpoint.New(endpoint.Options{
		Name: e.Name.text, Doc: e.Doc, URL: e.URL, Method: e.Method, Header: header, Schema: schema,
		Timeout: time.Duration(e.Timeout), MaxResponse: int64(e.MaxResponse), MaxConcurrent: e.MaxConcurrent,
		Idempotent: e.Idempotent, Logger: logger,
	})
	if err != nil {
		return err
	}
	own.endpoints = append(own.endpoints, made)
	own.list = append(own.list, made.API())
	own.kinds[e.Name.text] = "http"
	return nil
}

// schema returns a schema's text, from its file if need be.
func (c config) schema(s schemaConfig) (json.RawMessage, error) {
	if s.file == "" {
		return s.inline, nil
	}
	return c.readSmall(s.file, "the schema")
}

// header returns the headers of an endpoint, credentials included.
func (c config) header(e endpointConfig) (http.Header, error) {
	header := http.Header{}
	for name, value := range e.Headers {
		header.Add(name, value)
	}
	for name, file := range e.HeadersFrom {
		if header.Get(name) != "" {
			return nil, fmt.Errorf("the header %s is in headers and in headers_from", name)
		}
		value, err := c.readSmall(file, "the header "+name)
		if err != nil {
			return nil, err
		}
		header.Add(name, strings.TrimRight(string(value), "\r\n"))
	}
	return header, nil
}

// maxSmall bounds the files that the configuration names for one value each.
const maxSmall = 64 << 10

func (c config) readSmall(name, what string) ([]byte, error) {
	path := c.path(name)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s from %s: %w", what, path, plain(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s from %s: %w", what, path, plain(err))
	}
	if len(data) > maxSmall {
		return nil, fmt.Errorf("%s in %s is over %d bytes", what, path, maxSmall)
	}
	if len(data) == 0 {
		return nil, errors.New(path + " is empty")
	}
	return data, nil
}

// Close ends the plugins and the calls on their way.
func (own *ownAPIs) Close() {
	if own.plugins != nil {
		own.plugins.Close()
	}
	for _, e := range own.endpoints {
		e.Close()
	}
}
