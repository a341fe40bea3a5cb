package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sandbox")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, tt := range map[string]struct {
		env  []string
		code int
		want string
	}{
		"by hand":       {nil, exitByHand, "supervisor run FILE.js"},
		"other version": {[]string{"BULKHEAD_SANDBOX=started-by-the-bulkhead-supervisor", "BULKHEAD_SUPERVISOR_VERSION=v9.9.9 9.abc"}, exitVersion, "the supervisor is v9.9.9, protocol 9.abc; install both"},
	} {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), tt.env...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %q; want exit code %d and %q", name, err, out, tt.code, tt.want)
		}
	}
}
