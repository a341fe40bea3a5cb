package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namedTests matches what documents say of tests: a package, and one or more of
// its tests.
var namedTests = regexp.MustCompile("`([a-z0-9/]+): (Test[A-Za-z0-9, ]+|Fuzz[A-Za-z0-9, ]+)`")

// named has the source of the tests of packages.
type named map[string]string

// check fails if a package does not have the tests.
func (n named) check(t *testing.T, where, pkg, tests string) {
	t.Helper()
	if _, known := n[pkg]; !known {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n[pkg] += string(text)
		}
	}
	for name := range strings.SplitSeq(tests, ", ") {
		if !strings.Contains(n[pkg], "\nfunc "+name+"(") {
			t.Errorf("%s: %s has no test %s", where, pkg, name)
		}
	}
}

// Every row of docs/hostile.md names a test, and every test that it names is
// there.
func TestHostileDoc(t *testing.T) {
	code := namedTests
	tests := make(named)
	rows := 0
	for line := range strings.Lines(read(t, "docs/hostile.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.TrimSpace(cells[0]) == "row" || strings.Contains(line, "| ---") {
			continue
		}
		rows++
		found := code.FindAllStringSubmatch(cells[3], -1)
		if len(found) == 0 || strings.TrimSpace(code.ReplaceAllString(cells[3], "")) != "" {
			t.Errorf("no test can be made out in %s", line)
		}
		for _, n := range found {
			tests.check(t, strings.TrimSpace(cells[0]), n[1], n[2])
		}
	}
	if rows < 40 {
		t.Errorf("%d rows were made out", rows)
	}
}
