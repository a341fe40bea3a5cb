package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// projectName is the file that describes a folder of functions.
const projectName = "bulkhead.yaml"

// projectConfig is that file; docs/dev.md explains each key.
type projectConfig struct {
	Tenant      string                     `yaml:"tenant"`
	Policy      string                     `yaml:"policy"`
	Policies    paths                      `yaml:"policies"`
	Tier        string                     `yaml:"tier"`
	Env         map[string]string          `yaml:"env"`
	Secrets     map[string]projectSecret   `yaml:"secrets"`
	SecretsFile string                     `yaml:"secrets_file"`
	Functions   map[string]projectFunction `yaml:"functions"`
	Tests       projectTests               `yaml:"tests"`
}

// projectFunction is a function; what it leaves out gets the default.
type projectFunction struct {
	Path        string            `yaml:"path"`
	Memory      size              `yaml:"memory"`
	Timeout     duration          `yaml:"timeout"`
	CPU         duration          `yaml:"cpu"`
	Concurrency int               `yaml:"concurrency"`
	Isolation   string            `yaml:"isolation"`
	Policy      string            `yaml:"policy"`
	Assets      string            `yaml:"assets"`
	Public      bool              `yaml:"public"`
	Env         map[string]string `yaml:"env"`
}

// projectTests are the limits of a file of tests.
type projectTests struct {
	Memory  size     `yaml:"memory"`
	Timeout duration `yaml:"timeout"`
}

// projectSecret says where a secret may be sent; its value is elsewhere.
type projectSecret struct {
	Hosts  []string
	Reveal bool
}

func (s *projectSecret) UnmarshalYAML(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		s.Hosts = []string{n.Value}
		return nil
	case yaml.SequenceNode:
		return n.Decode(&s.Hosts)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Value != "hosts" && key.Value != "reveal" {
			return fmt.Errorf("line %d: unknown key %q; a secret has hosts and reveal", key.Line, key.Value)
		}
	}
	var long struct {
		Hosts  []string `yaml:"hosts"`
		Reveal bool     `yaml:"reveal"`
	}
	err := n.Decode(&long)
	s.Hosts, s.Reveal = long.Hosts, long.Reveal
	return err
}

var projectFunctionName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// parse reads the file of the folder dir; name is what it is called in errors.
func (p *projectConfig) parse(dir, name string, data []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(p)
	if err == nil && dec.Decode(&yaml.Node{}) != io.EOF {
		err = errors.New("there is more than one document")
	}
	var problems []outcome.Problem
	remedy := "docs/dev.md explains every key"
	var root yaml.Node
	if err != nil && !errors.Is(err, io.EOF) {
		problems = yamlProblems(name, err)
		if _, served := parseConfig(name, data); served == nil {
			remedy = "this is a configuration of serve: keep it in another folder, and give it with --config"
		}
	} else if yaml.Unmarshal(data, &root) == nil {
		problems = p.check(dir, name, &root)
	}
	if len(problems) == 0 {
		return nil
	}
	return &outcome.Error{Outcome: outcome.Invalid, Detail: "the project file " + name + " is wrong", Err: err, Problems: problems, Remedy: remedy}
}

// check finds what is wrong with a file that has the right form.
func (p *projectConfig) check(dir, name string, root *yaml.Node) (problems []outcome.Problem) {
	add := func(n *yaml.Node, format string, args ...any) {
		problems = append(problems, outcome.Problem{Field: name, Line: n.Line, Column: n.Column, Reason: fmt.Sprintf(format, args...)})
	}
	_, functions := entryOf(root, "functions")
	for function, f := range p.Functions {
		key, value := entryOf(functions, function)
		at := func(field string) *yaml.Node {
			if k, v := entryOf(value, field); v != nil {
				return k
			}
			return key
		}
		if !projectFunctionName.MatchString(function) {
			add(key, "functions.%s: a name is 1 to 63 of a-z, 0-9 and -, and does not start with -", function)
		}
		if f.Path == "" {
			add(key, "functions.%s: path is missing", function)
		} else if _, err := os.Stat(filepath.Join(dir, f.Path)); err != nil || filepath.IsAbs(f.Path) {
			add(at("path"), "functions.%s.path: there is no %s in this folder", function, f.Path)
		}
		if f.Assets != "" {
			if info, err := os.Stat(filepath.Join(dir, f.Assets)); err != nil || !info.IsDir() || filepath.IsAbs(f.Assets) {
				add(at("assets"), "functions.%s.assets: there is no folder %s in this one", function, f.Assets)
			}
		}
		if f.Isolation != "" && f.Isolation != "fresh" && f.Isolation != "warm" {
			add(at("isolation"), "functions.%s.isolation: %q is neither fresh nor warm", function, f.Isolation)
		}
		if f.Concurrency < 0 {
			add(at("concurrency"), "functions.%s.concurrency: %d is not above 0", function, f.Concurrency)
		}
	}
	_, secrets := entryOf(root, "secrets")
	for secret, s := range p.Secrets {
		if key, _ := entryOf(secrets, secret); len(s.Hosts) == 0 && !s.Reveal {
			add(key, "secrets.%s: name the hosts that it may be sent to", secret)
		}
	}
	slices.SortFunc(problems, func(a, b outcome.Problem) int { return a.Line - b.Line })
	return problems
}

// entryOf returns a member of a mapping: its key and its value, which is nil
// when there is none.
func entryOf(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n != nil && n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return &yaml.Node{}, nil
}
