package supervisor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// An upgrade puts other programs in the place of those that run. A supervisor
// starts its own until it ends.
func TestReplacedProgram(t *testing.T) {
	path, err := realBinary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "sandbox")
	if err := os.WriteFile(binary, text, 0o700); err != nil {
		t.Fatal(err)
	}
	s := openReal(t, func(o *supervisor.Options) { o.SandboxBinary, o.Spares = binary, -1 })
	for i, replace := range []func() error{
		func() error {
			if err := os.WriteFile(binary+".new", []byte("#!/bin/false\n"), 0o700); err != nil {
				return err
			}
			return os.Rename(binary+".new", binary)
		},
		func() error { return os.Remove(binary) },
	} {
		if err := replace(); err != nil {
			t.Fatal(err)
		}
		tenant := fmt.Sprint("tenant-", i)
		deploy(t, s, tenant, "f", `() => 1`)
		r, err := s.Invoke(t.Context(), tenant, "f", nil)
		if err != nil || string(r.Value) != "1" {
			t.Errorf("got %s, %v", r.Value, err)
		}
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", r.PID)); err != nil || strings.TrimSpace(string(name)) != "sandbox" {
			t.Errorf("its process is named %q, %v", name, err)
		}
	}
}
