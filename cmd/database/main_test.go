package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/confine/confinetest"
)

func TestMain(m *testing.M) {
	confinetest.BeTraced()
	os.Exit(m.Run())
}

func TestRefusals(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "database")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, tt := range map[string]struct {
		env  []string
		code int
		want string
	}{
		"by hand":       {nil, exitByHand, "sqlite3 DATA/db/TENANT/main.db"},
		"no JSON":       {[]string{"BULKHEAD_DATABASE=x"}, exitStart, "the configuration cannot be read"},
		"other version": {[]string{`BULKHEAD_DATABASE={"Version":99,"MaxSize":1048576,"MaxMemory":67108864}`}, exitStart, "install both from one release"},
		"no sockets":    {[]string{`BULKHEAD_DATABASE={"Version":3,"MaxSize":1048576,"MaxMemory":67108864,"Connections":2}`}, exitStart, ""},
	} {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), tt.env...)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.CombinedOutput()
		_ = stdin.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != tt.code || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %q; want exit code %d and %q", name, err, out, tt.code, tt.want)
		}
	}
}
