package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// entry is the file that a function begins with.
type entry struct {
	path   string // absolute
	root   string // the folder that paths are shown from
	source string
	plain  bool // plain JavaScript, which needs no bundling by itself
	// expression says that the whole file is one expression, which is
	// wrapped: its lines are one further down then.
	expression bool
}

const (
	wrapBefore = "export default (\n"
	wrapAfter  = "\n)"
)

// mayImport finds text in which there may be an import. What it finds may also
// be part of a comment or a name.
var mayImport = regexp.MustCompile(`\bimport\b|\brequire\b|\bmodule\.exports\b|\bexport\s*(\*|\{[^}]*\}\s*from\b)`)

var loaders = map[string]api.Loader{
	".js": api.LoaderJS, ".mjs": api.LoaderJS, ".cjs": api.LoaderJS, ".jsx": api.LoaderJSX,
	".ts": api.LoaderTS, ".mts": api.LoaderTS, ".cts": api.LoaderTS, ".tsx": api.LoaderTSX,
}

// Extensions lists the kinds of file that Build takes.
var Extensions = []string{".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"}

func findEntry(path string) (*entry, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fault(path, err.Error())
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fault(path, plainReason(err))
	}
	if info.IsDir() {
		if abs, err = packageEntry(abs, path); err != nil {
			return nil, err
		}
	}
	ext := filepath.Ext(abs)
	if loaders[ext] == api.LoaderNone {
		return nil, fault(path, fmt.Sprintf("it is a %q file; a function is one of %s, or a folder with a package.json", ext, strings.Join(Extensions, ", ")))
	}
	source, err := readInput(abs)
	if err != nil {
		return nil, fault(path, plainReason(err))
	}
	e := &entry{path: abs, root: rootOf(abs), source: string(source)}
	e.plain = !info.IsDir() && (ext == ".js" || ext == ".mjs")
	return e, nil
}

// name is the entry's path as people see it.
func (e *entry) name() string { return shown(e.root, e.path) }

func shown(root, path string) string {
	if rel, err := filepath.Rel(root, path); err == nil && filepath.IsAbs(path) {
		return filepath.ToSlash(rel)
	}
	return path
}

// Root is the folder from which [Build] shows the paths of the sources of a
// file: that of the nearest package.json, or the file's own.
func Root(path string) string { return rootOf(path) }

// rootOf is the folder of the nearest package.json, or the file's own.
func rootOf(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "package.json")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return filepath.Dir(path)
		}
	}
}

// packageEntry finds the entry of a folder.
func packageEntry(dir, name string) (string, error) {
	data, err := readInput(filepath.Join(dir, "package.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault(name, "it is a folder without a package.json; name a file, or make one")
	}
	if err != nil {
		return "", fault(filepath.Join(name, "package.json"), plainReason(err))
	}
	var p struct {
		Module  string          `json:"module"`
		Main    string          `json:"main"`
		Exports json.RawMessage `json:"exports"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return "", fault(filepath.Join(name, "package.json"), err.Error())
	}
	candidates := []string{p.Module, p.Main, exported(p.Exports)}
	for _, base := range []string{"src/index", "index"} {
		for _, ext := range []string{".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".cjs"} {
			candidates = append(candidates, base+ext)
		}
	}
	for _, c := range candidates {
		if c == "" {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(c))
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	reason := "it has no entry: set \"main\" in its package.json, or make src/index.ts or index.js"
	if i := slices.IndexFunc(candidates[:3], func(c string) bool { return c != "" }); i >= 0 {
		reason = fmt.Sprintf("its package.json names %s as the entry, which is not there (is it built yet?), and there is no src/index.ts or index.js", candidates[i])
	}
	return "", fault(name, reason)
}

// exported reads what "exports" says of the package itself.
func exported(raw json.RawMessage) string {
	var file string
	if json.Unmarshal(raw, &file) == nil {
		return file
	}
	var conditions map[string]json.RawMessage
	if json.Unmarshal(raw, &conditions) != nil {
		return ""
	}
	for _, c := range []string{".", "workerd", "edge-light", "worker", "browser", "module", "import", "default", "require"} {
		if inner, ok := conditions[c]; ok {
			if file := exported(inner); file != "" {
				return file
			}
		}
	}
	return ""
}

// detectExpression finds out whether the whole entry is one expression.
func (e *entry) detectExpression() error {
	if err := checkSource(e.source); err != nil {
		return fault(e.name(), err.Error())
	}
	r := api.Transform(e.wrapped(), api.TransformOptions{
		Loader: loaders[filepath.Ext(e.path)], LogLevel: api.LogLevelSilent, Target: api.ES2023,
	})
	e.expression = len(r.Errors) == 0
	return nil
}

func (e *entry) wrapped() string {
	return wrapBefore + strings.TrimRight(e.source, "; \t\r\n") + wrapAfter
}

const (
	maxInput  = 8 << 20  // bytes of one file
	maxInputs = 64 << 20 // of all
)

func readInput(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = fmt.Errorf("it is larger than %d MiB", maxInput>>20)
	}
	return data, err
}

func plainReason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}
