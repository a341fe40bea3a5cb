package bundle

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// plugin is what esbuild asks about each import and each file. Its methods run
// on many goroutines.
type plugin struct {
	entry *entry
	first []string // modules that are evaluated before the entry
	test  *Tests   // nil for a function

	mu     sync.Mutex
	read   int             // bytes
	used   map[string]bool // the modules of the globals that may be used
	loaded map[string]bool // the files that were read
}

// begin forgets the build before. The entry's text may be another now.
func (p *plugin) begin(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entry, p.read = e, 0
	p.used, p.loaded = make(map[string]bool), make(map[string]bool)
}

// globals names the modules that bring the globals which may be used.
func (p *plugin) globals() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.used))
}

// namespace is that of modules which are no files: the shims.
const namespace = "bulkhead"

// probing marks a question of ours to esbuild's own resolver.
type probing struct{}

// refused are imports that can never be part of a bundle.
var refused = []struct {
	form   *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`^qjs:`), "the engine's own modules are not there in the sandbox"},
	{regexp.MustCompile(`^(https?:)?//`), "nothing is fetched while bundling; install the package, or save the file"},
	{regexp.MustCompile(`^data:`), "a data: URL is not bundled; save it as a file"},
	{regexp.MustCompile(`^(npm|jsr):`), "install the package and import it by its name"},
	{regexp.MustCompile(`^(cloudflare|bun|deno):`), "this belongs to another runtime"},
}

func (p *plugin) setup(b api.PluginBuild) {
	b.OnResolve(api.OnResolveOptions{Filter: `^bulkhead:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if a.Path == namespace+":start" {
			return api.OnResolveResult{Path: p.entry.path, Namespace: "file"}, nil
		}
		name := strings.TrimPrefix(a.Path, namespace+":")
		if r, ok, err := p.resolveTest(name); ok {
			return r, err
		}
		return shimModule(name), nil
	})
	b.OnResolve(api.OnResolveOptions{Filter: `^[a-z]+:|^//`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		for _, r := range refused {
			if r.form.MatchString(a.Path) {
				return api.OnResolveResult{}, errors.New(clipped(a.Path) + " cannot be imported: " + r.reason)
			}
		}
		return api.OnResolveResult{}, nil
	})
	b.OnResolve(api.OnResolveOptions{Filter: `^(node:)?[a-z_]+(/[a-z]+)?/?$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, again := a.PluginData.(probing); again {
			return api.OnResolveResult{}, nil
		}
		name, isNode := strings.CutPrefix(a.Path, "node:")
		name = strings.TrimSuffix(name, "/")
		if isNode && name == "test" && p.test != nil {
			r, _, err := p.resolveTest(name)
			return r, err
		}
		if !hasShim(name) {
			return api.OnResolveResult{}, nil
		}
		// A package of this name, and what a package puts in its place by its
		// "browser" field, come first.
		found := b.Resolve(a.Path, api.ResolveOptions{
			Importer: a.Importer, Namespace: a.Namespace, ResolveDir: a.ResolveDir, Kind: a.Kind, PluginData: probing{},
		})
		if !isNode && len(found.Errors) == 0 && !found.External {
			return api.OnResolveResult{}, nil
		}
		return shimModule(name), nil
	})
	b.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespace}, p.loadShim)
	b.OnLoad(api.OnLoadOptions{Filter: `\.([cm]?[jt]s|[jt]sx|json)$`, Namespace: "file"}, p.load)
}

// load reads a source file, within bounds.
func (p *plugin) load(a api.OnLoadArgs) (api.OnLoadResult, error) {
	ext := filepath.Ext(a.Path)
	loader := loaders[ext]
	if ext == ".json" {
		loader = api.LoaderJSON
	}
	data, err := readInput(a.Path)
	if err != nil {
		return api.OnLoadResult{}, errors.New(plainReason(err))
	}
	text := string(data)
	if err := p.count(a.Path, text); err != nil {
		return api.OnLoadResult{}, err
	}
	if err := checkSource(text); err != nil {
		return api.OnLoadResult{}, err
	}
	if a.Path == p.entry.path && p.entry.expression {
		text = p.entry.wrapped()
	}
	return api.OnLoadResult{Contents: &text, Loader: loader, ResolveDir: filepath.Dir(a.Path)}, nil
}

// count takes account of a source that was read.
func (p *plugin) count(path, source string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loaded[path] = true
	if p.read += len(source); p.read > maxInputs {
		return fmt.Errorf("the files that are imported are larger than %d MiB together", maxInputs>>20)
	}
	noteGlobals(source, p.used)
	return nil
}

func clipped(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
