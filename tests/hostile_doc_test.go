package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of docs/hostile.md names a test, and every test that it names is
// there.
func TestHostileDoc(t *testing.T) {
	code := regexp.MustCompile("`([a-z0-9/]+): ([A-Za-z0-9, ]+)`")
	sources := make(map[string]string) // the tests of a package
	rows := 0
	for line := range strings.Lines(read(t, "docs/hostile.md")) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.TrimSpace(cells[0]) == "row" || strings.Contains(line, "| ---") {
			continue
		}
		rows++
		named := code.FindAllStringSubmatch(cells[3], -1)
		if len(named) == 0 || strings.TrimSpace(code.ReplaceAllString(cells[3], "")) != "" {
			t.Errorf("no test can be made out in %s", line)
		}
		for _, n := range named {
			pkg, names := n[1], strings.Split(n[2], ", ")
			if _, known := sources[pkg]; !known {
				files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					sources[pkg] += string(text)
				}
			}
			for _, name := range names {
				if !strings.Contains(sources[pkg], "\nfunc "+name+"(") {
					t.Errorf("%s: %s has no test %s", strings.TrimSpace(cells[0]), pkg, name)
				}
			}
		}
	}
	if rows < 40 {
		t.Errorf("%d rows were made out", rows)
	}
}
