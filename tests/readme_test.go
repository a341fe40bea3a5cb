package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// outdent makes source text comparable whatever its indentation.
func outdent(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// The program in the README is the one that the tests run.
func TestReadmeProgram(t *testing.T) {
	_, after, found := strings.Cut(read(t, "README.md"), "```go\n")
	block, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("the README has no Go program")
	}
	if !strings.Contains(outdent(read(t, "supervisor/example_test.go")), outdent(block)) {
		t.Error("the program in the README is not in supervisor/example_test.go")
	}
}

var markdownLink = regexp.MustCompile(`\]\(([^)#]+)[^)]*\)`)

// What the documents link to exists.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil || len(documents) == 0 {
		t.Fatal("no documents", err)
	}
	for _, document := range append(documents, "../README.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", document, m[1], err)
			}
		}
	}
}
