package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-run/bulkhead/policies"
)

// policyFolder is the configuration's policies while they are read. One may
// extend presets and the others, in any order.
type policyFolder struct {
	texts  map[string][]byte // by file
	files  map[string]string // by the policy's name
	parsed map[string]*policies.Policy
	chain  []string // the files that are being parsed
}

// policies reads the policy files, and returns the policies in their order.
func (c config) policies() ([]*policies.Policy, error) {
	files, err := c.policyFiles()
	if err != nil {
		return nil, err
	}
	f := &policyFolder{texts: map[string][]byte{}, files: map[string]string{}, parsed: map[string]*policies.Policy{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usagef("cannot read the policy %s: %v", file, plain(err))
		}
		f.texts[file] = text
		var head struct {
			Name string `yaml:"name"`
		}
		_ = yaml.Unmarshal(text, &head) // what is wrong is found when it is parsed
		_, taken := f.files[head.Name]
		if _, preset := policies.Preset(head.Name); head.Name != "" && (taken || preset) {
			return nil, usagef("%s: there is another policy named %s", file, head.Name)
		}
		f.files[head.Name] = file
	}
	var all []*policies.Policy
	for _, file := range files {
		p, err := f.parse(file)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func (f *policyFolder) parse(file string) (*policies.Policy, error) {
	if p := f.parsed[file]; p != nil {
		return p, nil
	}
	f.chain = append(f.chain, file)
	defer func() { f.chain = f.chain[:len(f.chain)-1] }()
	p, err := parsePolicy(file, f.texts[file], func(name string) (*policies.Policy, error) {
		if p, ok := policies.Preset(name); ok {
			return p, nil
		}
		other, found := f.files[name]
		switch {
		case !found:
			return nil, fmt.Errorf("there is no policy %q in the configuration, and no such preset", name)
		case slices.Contains(f.chain, other):
			return nil, errors.New("it extends this one itself")
		}
		return f.parse(other)
	})
	if err == nil {
		f.parsed[file] = p
	}
	return p, err
}
