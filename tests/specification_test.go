package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Every promise of SPECIFICATION.md names a test that is there, or is a row of
// the benchmarks; and its outcomes are all there are.
func TestSpecification(t *testing.T) {
	text := read(t, "SPECIFICATION.md")
	tests := make(named)
	found := namedTests.FindAllStringSubmatch(text, -1)
	for _, n := range found {
		tests.check(t, "SPECIFICATION.md", n[1], n[2])
	}
	if len(found) < 40 {
		t.Errorf("%d tests were made out", len(found))
	}
	for _, heading := range []string{"Isolation", "Limits", "Faults"} {
		for _, row := range tableRows(section(t, text, heading)) {
			if !namedTests.MatchString(row[len(row)-1]) {
				t.Errorf("%s: no test keeps %q", heading, row[0])
			}
		}
	}
	specifiedOutcomes(t, section(t, text, "Outcomes"))
	specifiedRows(t, section(t, text, "Measured"))
}

func specifiedOutcomes(t *testing.T, text string) {
	told := make(map[string]string)
	for _, row := range tableRows(text) {
		told[strings.Trim(row[0], "`")] = strings.Join(row[1:], "|")
	}
	for _, o := range outcome.All() {
		problem, again := "", ""
		if o.Problem() != "" {
			problem = "`" + o.Problem() + "`"
		}
		if o.Retryable() {
			again = "yes"
		}
		if want := fmt.Sprintf("%d|%s|%d|%s", o.HTTPStatus(), problem, o.ExitCode(), again); told[o.String()] != want {
			t.Errorf("outcome %s is %q, want %q", o, told[o.String()], want)
		}
		delete(told, o.String())
	}
	for name := range told {
		t.Errorf("outcome %s is none", name)
	}
}

// specifiedRows holds the table of measurements against the benchmarks' source.
func specifiedRows(t *testing.T, text string) {
	files, err := filepath.Glob("../bench/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	var names []*regexp.Regexp
	verb := regexp.MustCompile(`%[a-z]`)
	for _, literal := range regexp.MustCompile(`"(?:[^"\\\n]|\\.)+"`).FindAllString(source.String(), -1) {
		name, err := strconv.Unquote(literal)
		if err != nil || len(name) < 12 {
			continue
		}
		names = append(names, regexp.MustCompile("^"+verb.ReplaceAllString(regexp.QuoteMeta(strings.TrimSpace(name)), ".+")+"$"))
	}
	_, steps, _ := strings.Cut(read(t, "bench/main.go"), "var steps = ")
	steps, _, _ = strings.Cut(steps, "\n}\n\n")
	measured := make(map[string]bool)
	for _, row := range tableRows(text) {
		what, step := row[0], row[1]
		if _, of, ok := strings.Cut(what, " … "); ok {
			what = of
		}
		known := false
		for _, name := range names {
			known = known || name.MatchString(what)
		}
		if !known {
			t.Errorf("the benchmarks have no row %q", what)
		}
		if !strings.Contains(steps, "{"+strconv.Quote(step)+",") {
			t.Errorf("the benchmarks have no step %q", step)
		}
		measured[step] = true
		if state := row[4]; row[2] != "" && state != "kept" && state != "missed" {
			t.Errorf("%s: %q is neither kept nor missed", what, state)
		}
	}
	for _, step := range regexp.MustCompile(`\{("[^"]+"), \w+\}`).FindAllStringSubmatch(steps, -1) {
		if name, _ := strconv.Unquote(step[1]); name != "building" && !measured[name] {
			t.Errorf("nothing is specified of the step %q: go run ./bench -write SPECIFICATION.md", name)
		}
	}
}

func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("there is no section %s", heading)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	return body
}

// tableRows returns the cells of the rows of all tables, without their heads.
func tableRows(text string) (rows [][]string) {
	head := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = true
			continue
		}
		if strings.HasPrefix(line, "| ---") {
			head = false
			continue
		}
		if head {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}
