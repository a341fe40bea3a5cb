package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// projectDir is a folder of functions that are worked on.
type projectDir struct {
	dir string // absolute
	// found says that the functions are those found in the folder, not listed.
	found bool
	projectConfig
}

// openProject reads the folder's bulkhead.yaml, or else finds the functions in
// it.
func openProject(dir string) (*projectDir, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, usagef("%s: %v", dir, err)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		reason := "it is not a folder"
		if err != nil {
			reason = plain(err).Error()
		}
		return nil, &usageError{message: fmt.Sprintf("cannot use %s: %s", dir, reason), hint: "make one with: supervisor init " + dir}
	}
	p := &projectDir{dir: abs}
	file := filepath.Join(abs, projectName)
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, usagef("cannot read %s: %v", file, plain(err))
	default:
		if err := p.parse(abs, filepath.Join(dir, projectName), data); err != nil {
			return nil, err
		}
	}
	if len(p.Functions) == 0 {
		p.find()
	}
	return p, nil
}

// find takes each source file of the folder, and each folder in it that has a
// package.json, for a function. Without any, a folder that has a package.json
// is one itself.
func (p *projectDir) find() {
	p.found, p.Functions = true, map[string]projectFunction{}
	entries, _ := os.ReadDir(p.dir)
	for _, e := range entries {
		name := e.Name()
		function := functionName(name)
		switch {
		case strings.HasPrefix(name, "."), name == "node_modules":
			continue
		case e.IsDir():
			if _, err := os.Stat(filepath.Join(p.dir, name, "package.json")); err != nil {
				continue
			}
			function = functionName(name + ".") // all of it is the name
		case !isFunctionFile(name):
			continue
		}
		if _, taken := p.Functions[function]; !taken {
			p.Functions[function] = projectFunction{Path: name}
		}
	}
	if len(p.Functions) > 0 {
		return
	}
	if _, err := os.Stat(filepath.Join(p.dir, "package.json")); err == nil {
		p.Functions[functionName(filepath.Base(p.dir)+".")] = projectFunction{Path: "."}
	}
}

// isFunctionFile tells a function's source from what lies beside: tests, types
// and tools' configuration.
func isFunctionFile(name string) bool {
	if !slices.Contains(bundle.Extensions, filepath.Ext(name)) {
		return false
	}
	stem := strings.TrimSuffix(name, filepath.Ext(name))
	for _, ext := range []string{".test", ".spec", ".d", ".config"} {
		if strings.HasSuffix(stem, ext) {
			return false
		}
	}
	return true
}

// spec is what is deployed of a function.
func (f projectFunction) spec(name string, r *bundle.Result) supervisor.FunctionSpec {
	return supervisor.FunctionSpec{
		Tenant: localTenant, Function: name, Code: r.Code, SourceMap: r.SourceMap,
		Memory: int64(f.Memory), Timeout: time.Duration(f.Timeout), CPU: time.Duration(f.CPU),
		Concurrency: f.Concurrency, Isolation: supervisor.Isolation(f.Isolation), Policy: f.Policy,
	}
}

// shown is a path of the folder from where the command runs.
func (p *projectDir) shown(path string) string {
	path = filepath.Join(p.dir, path)
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel // as errors are to name it
		}
	}
	return path
}

// names are the functions' names, sorted.
func (p *projectDir) names() []string {
	names := make([]string, 0, len(p.Functions))
	for name := range p.Functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// secretValues finds the secrets' values: in the environment, or else in
// secrets_file. missing are those that are in neither.
func (p *projectDir) secretValues() (values map[string]string, missing []string, err error) {
	file := map[string]string{}
	if p.SecretsFile != "" {
		if file, err = readEnvFile(filepath.Join(p.dir, p.SecretsFile)); err != nil {
			return nil, nil, err
		}
	}
	values = map[string]string{}
	for name := range p.Secrets {
		if v, ok := os.LookupEnv(name); ok {
			values[name] = v
		} else if v, ok := file[name]; ok {
			values[name] = v
		} else {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return values, missing, nil
}

// readEnvFile reads lines of NAME=VALUE, in quotes or not.
func readEnvFile(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("cannot read %s: %v", path, plain(err))
	}
	values := map[string]string{}
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, found := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, usagef("%s: line %d is not NAME=VALUE", path, n) // the line is not shown: it may be a secret
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		values[name] = value
	}
	return values, nil
}
