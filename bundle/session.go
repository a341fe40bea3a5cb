package bundle

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Session builds one function again and again. What has not changed between
// two builds is not parsed again. It is for one goroutine; the caller closes
// it.
type Session struct {
	path    string
	options Options
	kept    map[string]*rebuilder
	first   []string        // the modules that bring the globals which the last build used
	files   map[string]bool // that the last build read, and the last good one
}

// rebuilder is one configuration of esbuild.
type rebuilder struct {
	plugin *plugin
	build  api.BuildContext
}

// NewSession makes a Session for the function at path: see [Build]. It reads
// nothing yet.
func NewSession(path string, o Options) *Session {
	return &Session{path: path, options: o, kept: map[string]*rebuilder{}, files: map[string]bool{}}
}

// Close frees what the session keeps.
func (s *Session) Close() {
	for _, r := range s.kept {
		r.build.Dispose()
	}
	s.kept = map[string]*rebuilder{}
}

// Files are the files that the code depends on, as absolute paths: those of the
// last build and, when that failed, those of the last one that did not.
func (s *Session) Files() []string { return slices.Sorted(maps.Keys(s.files)) }

// Build makes the code from the files as they are now: see [Build].
func (s *Session) Build(ctx context.Context) (*Result, error) {
	e, err := findEntry(s.path)
	if err != nil {
		return nil, err
	}
	o := s.options
	if e.plain && !o.Minify && o.Test == nil && !mayImport.MatchString(e.source) {
		s.files = map[string]bool{e.path: true}
		return &Result{Code: e.source}, nil
	}
	s.files[e.path] = true
	b, err := s.build(ctx, e)
	if err != nil {
		return nil, err
	}
	s.files = b.files
	s.files[e.path] = true
	if e.plain && !o.Minify && o.Test == nil && b.alone {
		return &Result{Code: e.source}, nil
	}
	if !slices.Contains(b.exports, "default") {
		return nil, fault(e.name(), "it has no default export: write `export default`, or make the file one function expression")
	}
	out := &Result{Code: b.code, Inputs: b.inputs, Warnings: b.warnings}
	if out.SourceMap, err = finishMap(b.sourceMap, e); err != nil {
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
	files           map[string]bool
	warnings        []Message
}

func (s *Session) build(ctx context.Context, e *entry) (*built, error) {
	if s.options.Test == nil { // a file of tests is no function
		if err := e.detectExpression(); err != nil {
			return nil, err
		}
	}
	// What Node has as globals is brought only where something may ask for it,
	// which the first build finds out.
	for range 2 {
		b, used, err := s.rebuild(ctx, e)
		if err != nil || slices.Equal(used, s.first) || !slices.Contains(b.exports, "default") {
			return b, err
		}
		s.first = used
	}
	b, _, err := s.rebuild(ctx, e)
	return b, err
}

// rebuild runs esbuild. It also tells which modules bring the globals that may
// be used.
func (s *Session) rebuild(ctx context.Context, e *entry) (*built, []string, error) {
	r, err := s.rebuilder(e)
	if err != nil {
		return nil, nil, err
	}
	p := r.plugin
	p.begin(e)
	stop := context.AfterFunc(ctx, r.build.Cancel)
	defer stop()
	result := r.build.Rebuild()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if len(result.Errors) > 0 {
		maps.Copy(s.files, p.loaded)
		return nil, nil, &Error{Messages: explain(messages(result.Errors, e), e)}
	}
	out := &built{warnings: messages(result.Warnings, e)}
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			out.sourceMap = string(f.Contents)
		} else {
			out.code = string(f.Contents)
		}
	}
	return out, p.globals(), out.readMeta(result.Metafile, e)
}

// rebuilder returns the configuration of esbuild for an entry.
func (s *Session) rebuilder(e *entry) (*rebuilder, error) {
	key := strings.Join(append([]string{e.path, e.root}, s.first...), "\x00")
	if r := s.kept[key]; r != nil {
		return r, nil
	}
	p := &plugin{entry: e, first: s.first, test: s.options.Test}
	build, failure := api.Context(p.options(s.options))
	if failure != nil {
		return nil, &Error{Messages: messages(failure.Errors, e)}
	}
	r := &rebuilder{p, build}
	s.kept[key] = r
	return r, nil
}

func (p *plugin) options(o Options) api.BuildOptions {
	e := p.entry
	start := e.path
	if len(p.first) > 0 || p.test != nil {
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
