package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// The admin socket knows who calls by what the kernel says: another user is no
// admin, even where files' permissions would let him in.
func TestAdminSocketRefusesOthers(t *testing.T) {
	other := daemon.NoUser(t)
	dir := daemon.ShortDir(t)
	socket := filepath.Join(dir, "admin.sock")
	d := daemon.Serve(t, daemon.Options{Config: "auth: {socket: " + socket + ", required: true}"})
	run := func(uid int, args ...string) (string, error) {
		cmd := daemon.Command(append(args, "--server", "unix:"+socket)...)
		cmd.Env = []string{"HOME=/nonexistent"}
		if uid != 0 {
			cmd.SysProcAttr = daemon.As(uid)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(0, "tenant", "put", "acme"); err != nil {
		t.Fatalf("the supervisor's own user: %v %s", err, out)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := run(other, "tenant", "list"); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("where the socket's mode keeps him out: %v %s", err, out)
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"tenant", "list"}, {"tenant", "put", "his"}, {"token", "create", "his", "--scope", "admin"}, {"tenant", "delete", "acme", "--yes"}} {
		if out, err := run(other, args...); err == nil || !strings.Contains(out, "needs a token") {
			t.Errorf("another user's %v: %v %s", args, err, out)
		}
	}
	if a, err := d.Do("GET", "/v1/tenants", "", ""); err != nil || a.Status != http.StatusUnauthorized {
		t.Errorf("over TCP: %d %s %v", a.Status, a.Body, err)
	}
	out, err := run(0, "tenant", "list")
	if err != nil || !strings.Contains(out, "acme") || strings.Contains(out, "his") {
		t.Errorf("afterwards there are %s, %v", out, err)
	}
	d.Stop()
}
