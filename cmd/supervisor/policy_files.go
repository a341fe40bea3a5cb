package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
)

// isCases reports whether a file holds the cases of a policy, which lie beside
// it: webhook.test.yaml beside webhook.yaml.
func isCases(path string) bool {
	return strings.HasSuffix(path, ".test.yaml") || strings.HasSuffix(path, ".test.yml")
}

// findPolicy returns the preset of that name, or reads the file.
func findPolicy(name string) (*policies.Policy, error) {
	if p, ok := policies.Preset(name); ok {
		return p, nil
	}
	return readPolicy(name, nil)
}

// policyArguments puts the files of a folder in its place.
func policyArguments(args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		if _, preset := policies.Preset(arg); preset || !isDir(arg) {
			names = append(names, arg)
			continue
		}
		found := len(names)
		err := filepath.WalkDir(arg, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && (isPolicyFile(p) || isCases(p)) {
				names = append(names, p)
			}
			return err
		})
		if err != nil {
			return nil, usagef("cannot read %s: %v", arg, plain(err))
		}
		if len(names) == found {
			return nil, usagef("there are no policies (*.yaml) in %s", arg)
		}
	}
	return names, nil
}

// findChain returns the policy narrowed by those around it, the outermost first.
func findChain(name string, within []string) (*policies.Policy, error) {
	var chain *policies.Policy
	for _, n := range append(slices.Clone(within), name) {
		p, err := findPolicy(n)
		if err != nil {
			return nil, err
		}
		chain = policies.Narrow(chain, p)
	}
	return chain, nil
}

// readPolicy reads a policy's file. What it extends are presets, or files
// beside it: NAME.yaml. The files that are being read are in chain.
func readPolicy(file string, chain []string) (*policies.Policy, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{message: "there is no policy " + file, hint: "name a file, or a preset: " + strings.Join(presetNames(), ", ")}
	}
	if err != nil {
		return nil, usagef("cannot read the policy %s: %v", file, plain(err))
	}
	return parsePolicy(file, data, func(name string) (*policies.Policy, error) {
		if p, ok := policies.Preset(name); ok {
			return p, nil
		}
		beside := filepath.Join(filepath.Dir(file), name+".yaml")
		if slices.Contains(chain, beside) || beside == filepath.Clean(file) {
			return nil, errors.New("it extends this one itself")
		}
		if _, err := os.Stat(beside); err != nil {
			return nil, fmt.Errorf("there is no such preset, and no file %s", beside)
		}
		p, err := readPolicy(beside, append(chain, filepath.Clean(file)))
		if err == nil && p.Name() != name {
			err = fmt.Errorf("the policy in %s is named %s", beside, p.Name())
		}
		return p, err
	})
}

func presetNames() []string {
	var names []string
	for _, p := range policies.Presets() {
		names = append(names, p.Name())
	}
	return names
}

func parsePolicy(name string, data []byte, resolve func(string) (*policies.Policy, error)) (*policies.Policy, error) {
	p, err := policies.Parse(name, data, resolve)
	if err != nil {
		return nil, wrongDocument("the policy "+name+" is wrong", err)
	}
	return p, nil
}

// wrongDocument gives a *policies.ParseError the shape of the other errors.
func wrongDocument(detail string, err error) error {
	e := &outcome.Error{Outcome: outcome.Invalid, Detail: detail, Err: err}
	var parse *policies.ParseError
	if !errors.As(err, &parse) {
		e.Detail += ": " + err.Error()
		return e
	}
	for _, p := range parse.Problems {
		e.Problems = append(e.Problems, problemOf(p))
	}
	return e
}

func problemOf(p policies.Problem) outcome.Problem {
	reason := p.Reason
	if p.Suggestion != "" {
		reason += "; did you mean " + p.Suggestion + "?"
	}
	return outcome.Problem{Field: p.File, Reason: reason, Line: p.Line, Column: p.Column}
}
