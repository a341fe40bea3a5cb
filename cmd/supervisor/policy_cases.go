package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/policies"
)

func policyTestCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "run the cases of policies", ArgsUsage: "POLICY|FOLDER...",
		Description: policyHelp + `
The cases of webhook.yaml are in webhook.test.yaml beside it; a folder's policies are all tested that have some:
  version: 1
  cases:
    - name: our own hooks
      call: fetch
      with: {scheme: https, host: hooks.example.com, port: 443, method: POST, path: /in}
      expect: allow          # allow, deny, audit or kill
      rule: rules[0]         # which rule decides; may be left out
The exit code is 0 if all cases pass, 1 if not.`,
		Flags: []cli.Flag{withinFlag(), &cli.StringFlag{Name: "cases", Usage: "the `FILE` with the cases, instead of the one beside the policy"}},
		Action: func(c *cli.Context) error {
			suites, err := findSuites(c.Args().Slice(), c.String("cases"))
			if err != nil {
				return err
			}
			results := []policies.CaseResult{}
			for _, s := range suites {
				some, err := s.run(t, c.StringSlice("within"))
				if err != nil {
					return err
				}
				results = append(results, some...)
			}
			return t.cases(results)
		},
	}
}

// suite is a policy and the file of its cases.
type suite struct{ policy, cases string }

func findSuites(args []string, cases string) ([]suite, error) {
	switch {
	case len(args) == 0:
		return nil, &usageError{message: "missing POLICY", hint: "name a policy's file, or a folder with some"}
	case cases != "" && len(args) > 1:
		return nil, usagef("--cases belongs to one policy")
	case cases != "":
		return []suite{{args[0], cases}}, nil
	}
	var suites []suite
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch _, preset := policies.Preset(arg); {
		case preset:
			return nil, &usageError{message: "a preset has no cases beside it", hint: "name them with --cases"}
		case err != nil:
			return nil, usagef("cannot read %s: %v", arg, plain(err))
		case !info.IsDir():
			suites = append(suites, suite{arg, strings.TrimSuffix(arg, filepath.Ext(arg)) + ".test" + filepath.Ext(arg)})
			continue
		}
		found := len(suites)
		err = filepath.WalkDir(arg, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isCases(p) {
				ext := filepath.Ext(p)
				suites = append(suites, suite{strings.TrimSuffix(p, ".test"+ext) + ext, p})
			}
			return err
		})
		if err != nil {
			return nil, usagef("cannot read %s: %v", arg, plain(err))
		}
		if len(suites) == found {
			return nil, usagef("there are no cases (*.test.yaml) in %s", arg)
		}
	}
	return suites, nil
}

func (s suite) run(t *terminal, within []string) ([]policies.CaseResult, error) {
	p, err := findChain(s.policy, within)
	if err != nil {
		return nil, err
	}
	cases, err := readCases(t, s.cases)
	if err != nil {
		return nil, err
	}
	return p.Run(cases), nil
}

func readCases(t *terminal, file string) ([]policies.Case, error) {
	data, err := readSource(t, file)
	if err != nil {
		return nil, err
	}
	cases, err := policies.ParseCases(file, data)
	if err != nil {
		return nil, wrongDocument("the cases "+file+" are wrong", err)
	}
	return cases, nil
}

// cases shows what came of cases.
func (t *terminal) cases(results []policies.CaseResult) error {
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
		if t.json {
			continue
		}
		if r.Passed {
			t.printf("%s %s %s", t.paint(t.outTTY, green, "ok  "), r.Place, clean(t.outTTY, r.Name))
			continue
		}
		t.printf("%s %s %s", t.paint(t.outTTY, red, "FAIL"), r.Place, clean(t.outTTY, r.Name))
		t.printf("     %s", clean(t.outTTY, r.Reason))
		for line := range strings.Lines(r.Explanation.String()) {
			t.printf("     %s", strings.TrimSuffix(clean(t.outTTY, line), "\n"))
		}
	}
	if t.json {
		if err := t.document(map[string]any{"passed": len(results) - failed, "failed": failed, "cases": results}); err != nil {
			return err
		}
	} else {
		t.printf("%d passed, %d failed", len(results)-failed, failed)
	}
	if failed > 0 {
		return exitStatus(1)
	}
	return nil
}
