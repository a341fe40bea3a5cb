package bundle

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Options say how to bundle. The zero value is the usual way.
type Options struct {
	// Minify makes the code shorter: white space, syntax and local names.
	Minify bool
}

// Result is a function that can be deployed.
type Result struct {
	Code string
	// SourceMap is the code's source map, or empty when Code is the file as
	// it is.
	SourceMap string
	// Inputs are the files that went into the code, the largest part first.
	// It is empty when Code is the file as it is.
	Inputs []Input
	// Warnings are what looks wrong, but does not stop the build.
	Warnings []Message
}

// Input is a file's part of the code.
type Input struct {
	Path  string `json:"path"`
	Bytes int    `json:"bytes"`
}

// Build makes the code of the function at path: a file (.js, .mjs, .cjs, .jsx,
// .ts, .mts, .cts, .tsx), or a folder with a package.json. A .js or .mjs file
// that imports nothing is taken as it is. Everything else becomes one ES
// module with what it imports.
//
// The error is an *Error when the files are at fault, or the context's.
func Build(ctx context.Context, path string, o Options) (*Result, error) {
	e, err := findEntry(path)
	if err != nil {
		return nil, err
	}
	if e.plain && !o.Minify && !mayImport.MatchString(e.source) {
		return &Result{Code: e.source}, nil
	}
	r, err := build(ctx, e, o)
	if err != nil {
		return nil, err
	}
	if e.plain && !o.Minify && r.alone {
		return &Result{Code: e.source}, nil
	}
	if !slices.Contains(r.exports, "default") {
		return nil, fault(e.name(), "it has no default export: write `export default`, or make the file one function expression")
	}
	out := &Result{Code: r.code, Inputs: r.inputs, Warnings: r.warnings}
	if out.SourceMap, err = finishMap(r.sourceMap, e); err != nil {
		return nil, err
	}
	if out.SourceMap == "" {
		out.Warnings = append(out.Warnings, Message{Text: fmt.Sprintf(
			"the source map is over %d bytes and left out: stacks will name lines of the bundle", maxSourceMap)})
	}
	return out, nil
}

// built is what esbuild made.
type built struct {
	code, sourceMap string
	exports         []string
	alone           bool // the entry imports nothing
	inputs          []Input
	warnings        []Message
}

func build(ctx context.Context, e *entry, o Options) (*built, error) {
	if err := e.detectExpression(); err != nil {
		return nil, err
	}
	p := &plugin{entry: e}
	b, err := p.build(ctx, o, nil)
	// What Node has as globals is brought only where something may ask for it.
	if used := p.globals(); err == nil && len(used) > 0 && slices.Contains(b.exports, "default") {
		b, err = (&plugin{entry: e}).build(ctx, o, used)
	}
	return b, err
}

// build runs esbuild. first names modules that are evaluated before the entry.
func (p *plugin) build(ctx context.Context, o Options, first []string) (*built, error) {
	e := p.entry
	p.first = first
	build, failure := api.Context(p.options(o))
	if failure != nil {
		return nil, &Error{Messages: messages(failure.Errors, e)}
	}
	defer build.Dispose()
	stop := context.AfterFunc(ctx, build.Cancel)
	defer stop()
	r := build.Rebuild()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(r.Errors) > 0 {
		return nil, &Error{Messages: explain(messages(r.Errors, e), e)}
	}
	out := &built{warnings: messages(r.Warnings, e)}
	for _, f := range r.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			out.sourceMap = string(f.Contents)
		} else {
			out.code = string(f.Contents)
		}
	}
	return out, out.readMeta(r.Metafile, e)
}

func (p *plugin) options(o Options) api.BuildOptions {
	e := p.entry
	start := e.path
	if len(p.first) > 0 {
		start = namespace + ":entry"
	}
	loaders := map[string]api.Loader{}
	for _, ext := range []string{".txt", ".md", ".html", ".css", ".sql", ".graphql"} {
		loaders[ext] = api.LoaderText
	}
	return api.BuildOptions{
		EntryPoints:    []string{start},
		AbsWorkingDir:  e.root,
		Outfile:        filepath.Join(e.root, outfile),
		AllowOverwrite: true, // nothing is written
		Bundle:         true,
		Format:         api.FormatESModule,
		// What is newer than the engine, such as `using` and decorators, is
		// written in older terms.
		Target: api.ES2023,
		// The sandbox is a server on the Web's APIs: first come the builds
		// that packages made for such runtimes, then those for browsers.
		// PlatformBrowser also honours the "browser" field, by which packages
		// replace what they have of Node.
		Platform:          api.PlatformBrowser,
		MainFields:        []string{"browser", "module", "main"},
		Conditions:        []string{"workerd", "edge-light", "worker", "browser", "module"},
		TreeShaking:       api.TreeShakingTrue,
		KeepNames:         true,
		MinifyWhitespace:  o.Minify,
		MinifySyntax:      o.Minify,
		MinifyIdentifiers: o.Minify,
		Sourcemap:         api.SourceMapExternal,
		SourcesContent:    api.SourcesContentInclude,
		Metafile:          true,
		LogLevel:          api.LogLevelSilent,
		Loader:            loaders,
		Define:            map[string]string{"process.env.NODE_ENV": `"production"`, "global": "globalThis"},
		Plugins:           []api.Plugin{{Name: "bulkhead", Setup: p.setup}},
	}
}

const outfile = "bundle.js"
