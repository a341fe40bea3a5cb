package tests

import (
	"os"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
)

// No API of an operator's can take the place of a global that functions have
// anyway: the list of them is in sandbox/testdata/surface.txt.
func TestOwnAPIsLeaveGlobalsAlone(t *testing.T) {
	data, err := os.ReadFile("../sandbox/testdata/surface.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		name, _, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(name, "Symbol(") || name == "fetch" || name == "log" {
			continue
		}
		n++
		if platform.CheckName(name, nil) == nil {
			t.Errorf("an API may be named %s", name)
		}
	}
	if n < 50 {
		t.Errorf("only %d globals found", n)
	}
}
