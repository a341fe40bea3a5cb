package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// pathHelp is what the commands that take a function's source say about it.
const pathHelp = "PATH is JavaScript (.js, .mjs, .cjs, .jsx), TypeScript (.ts, .mts, .cts, .tsx), or a folder with a\n" +
	"package.json; - is JavaScript on standard input. What it imports is bundled, node_modules included."

func bundleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "minify", Usage: "make the code shorter; stacks still name the source's lines"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "list what the bundle consists of"},
	}
}

// source is a function as it is sent.
type source struct {
	code, sourceMap string
	bundle          *bundleReport // nil when the code is the file as it is
}

// bundleReport says what a bundle consists of.
type bundleReport struct {
	Bytes  int            `json:"bytes"`
	Inputs []bundle.Input `json:"inputs"`
}

// readFunction reads or bundles the function at path, and shows what the
// bundler has to say.
func readFunction(t *terminal, c *cli.Context, path string) (source, error) {
	// What is neither a kind of source nor a folder is taken as JavaScript.
	if info, err := os.Stat(path); path == "-" || err == nil && !info.IsDir() && !slices.Contains(bundle.Extensions, filepath.Ext(path)) {
		code, err := readSource(t, path)
		return source{code: string(code)}, err
	} else if err != nil {
		return source{}, usagef("cannot read %s: %v", path, plain(err))
	}
	r, err := bundle.Build(c.Context, path, bundle.Options{Minify: c.Bool("minify")})
	var wrong *bundle.Error
	switch {
	case errors.As(err, &wrong):
		return source{}, &outcome.Error{Outcome: outcome.Invalid, Err: err,
			Detail: path + " cannot be made a function", Problems: bundleProblems(wrong.Messages)}
	case err != nil:
		return source{}, err
	}
	if !t.json {
		for _, w := range bundleProblems(r.Warnings) {
			t.problem("warning: ", w)
		}
	}
	s := source{code: r.Code, sourceMap: r.SourceMap}
	if r.SourceMap != "" || len(r.Inputs) > 0 {
		s.bundle = &bundleReport{len(r.Code), r.Inputs}
	}
	if c.Bool("verbose") && !t.json {
		t.bundled(s)
	}
	return s, nil
}

func bundleProblems(messages []bundle.Message) (problems []outcome.Problem) {
	for _, m := range messages {
		problems = append(problems, outcome.Problem{
			Field: "code", Reason: m.Text, File: m.File, Line: m.Line, Column: m.Column, Excerpt: m.Excerpt,
		})
	}
	return problems
}

// bundled shows what a bundle consists of.
func (t *terminal) bundled(s source) {
	const most = 20
	size := func(n int) string { return humanize.IBytes(uint64(n)) }
	if s.bundle == nil {
		t.notef("%9s  as it is", size(len(s.code)))
		return
	}
	t.notef("%9s  bundle", size(s.bundle.Bytes))
	rest := 0
	for i, in := range s.bundle.Inputs {
		if i < most {
			t.notef("%9s  %s", size(in.Bytes), in.Path)
		} else {
			rest += in.Bytes
		}
	}
	if n := len(s.bundle.Inputs) - most; n > 0 {
		t.notef("%9s  %d more", size(rest), n)
	}
}
