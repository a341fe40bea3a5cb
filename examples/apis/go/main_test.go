package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

func TestRun(t *testing.T) {
	sandbox := filepath.Join(t.TempDir(), "sandbox")
	build := exec.Command("go", "build", "-o", sandbox, "../../../cmd/sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var out bytes.Buffer
	err := run(t.Context(), &out, sandbox, `{"prices": [{"amount": 11, "currency": "USD"}, {"amount": 1600, "currency": "JPY"}]}`)
	if err != nil || out.String() != "20\n" {
		t.Errorf("got %q, %v", &out, err)
	}
	for event, want := range map[string]string{
		`{"prices": [{"amount": "11", "currency": "USD"}]}`: "arguments[0].amount must be a number",
		`{"prices": [{"amount": 11}]}`:                      "arguments[0].currency is missing",
		`{"prices": [{"amount": 11, "currency": "XAU"}]}`:   "arguments[0].currency: there is no rate for it",
	} {
		var e *outcome.Error
		err := run(t.Context(), &out, sandbox, event)
		if !errors.As(err, &e) || e.Exception == nil || e.Exception.Name != "TypeError" || e.Exception.Message != want {
			t.Errorf("%s: got %v", event, err)
		}
	}
}
