package bundle

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

//go:embed shims/*.js
var shimFiles embed.FS

// aliases are second names of shims.
var aliases = map[string]string{"path/posix": "path", "assert/strict": "assert", "util/types": "util-types"}

// globals are names that Node has and the sandbox does not, by the shim that
// they come from. A bundle that does not use them does not get them.
var globals = map[string][]string{
	"process": {"process"},
	"buffer":  {"Buffer"},
	"timers":  {"setImmediate", "clearImmediate"},
}

// Shims lists the Node built-ins that a bundle can import.
func Shims() []string {
	entries, err := fs.ReadDir(shimFiles, "shims")
	if err != nil {
		panic(err) // they are part of this program
	}
	names := []string{}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".js"); name != "util-types" {
			names = append(names, name)
		}
	}
	for alias := range aliases {
		names = append(names, alias)
	}
	slices.Sort(names)
	return names
}

func hasShim(name string) bool { return slices.Contains(Shims(), name) }

func shimModule(name string) api.OnResolveResult {
	if target, ok := aliases[name]; ok {
		name = target
	}
	r := api.OnResolveResult{Path: name, Namespace: namespace, SideEffects: api.SideEffectsFalse}
	if strings.HasPrefix(name, "global/") {
		r.SideEffects = api.SideEffectsTrue
	}
	return r
}

// mentionsGlobal finds text that may use one of the globals.
var mentionsGlobal = regexp.MustCompile(`\b(process(?:\.env\.NODE_ENV\b)?|Buffer|setImmediate|clearImmediate)`)

// noteGlobals notes which globals a source may use, by their modules.
func noteGlobals(source string, used map[string]bool) {
	for _, m := range mentionsGlobal.FindAllString(source, -1) {
		for shim, names := range globals {
			if slices.Contains(names, m) {
				used[namespace+":global/"+shim] = true
			}
		}
	}
}

// loadShim gives the text of a module of ours. One that brings globals sets
// them: esbuild's own way to replace free names, Inject, has a data race when
// several CommonJS modules use one.
func (p *plugin) loadShim(a api.OnLoadArgs) (api.OnLoadResult, error) {
	var text string
	name, isGlobal := strings.CutPrefix(a.Path, "global/")
	switch {
	case isGlobal:
		text = "import shim from 'bulkhead:" + name + "';\n"
		for _, g := range globals[name] {
			text += fmt.Sprintf("if (!(%q in globalThis)) Object.defineProperty(globalThis, %[1]q, { value: shim.%[1]s, writable: true, configurable: true });\n", g)
		}
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	case a.Path == "entry":
		for _, module := range p.first {
			text += fmt.Sprintf("import %q;\n", module)
		}
		if p.test != nil {
			text += "import 'bulkhead:test-setup';\nimport 'bulkhead:start';\nexport { run as default } from 'bulkhead:test';\n"
		} else {
			text += "export { default } from 'bulkhead:start';\n"
		}
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	}
	if text, ok := p.testModule(a.Path); ok {
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, nil
	}
	data, err := shimFiles.ReadFile("shims/" + a.Path + ".js")
	text = string(data)
	return api.OnLoadResult{Contents: &text, Loader: api.LoaderJS}, err
}
