package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Whatever goes wrong, the last line that is printed says what to try next.
func TestErrorsEndWithARemedy(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	greet := write(t, "greet.js", "(e) => { if (e) throw new Error('no'); return 1 }")
	d.ok("deploy", "acme/greet", greet)
	d.ok("deploy", "acme/greet", write(t, "greet.js", "() => 2"), "--alias", "staging", "--no-live")
	d.ok("deploy", "acme/loop", exampleDir+"endless-loop.js", "--timeout", "50ms")
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	ln.Close()
	folder := t.TempDir()
	for _, c := range []struct {
		args   string
		exit   int
		remedy string // a part of it
	}{
		// No supervisor, or none that is meant.
		{"list --server " + closed, 6, "supervisor serve"},
		{"list --server unix:/nowhere/admin.sock", 6, "supervisor serve"},
		{"list --server " + tls.URL, 6, "SSL_CERT_FILE"},
		{"list --server " + strings.Replace(d.url, "http:", "https:", 1), 6, "write http://"},
		{"list --server " + plain.URL, 6, "check the URL"},
		{"list --server http://nowhere.invalid", 6, "check the name"},
		{"list --server nowhere", 2, "http://127.0.0.1:8420"},
		// What does not exist.
		{"list acmee", 2, "did you mean acme?"},
		{"list nobody", 2, "supervisor tenant put nobody"},
		{"invoke acme/gret", 2, "did you mean acme/greet?"},
		{"invoke acme/other", 2, "supervisor deploy acme/other"},
		{"invoke amce/greet", 2, "did you mean acme?"},
		{"invoke acme/gret --watch", 2, "did you mean acme/greet?"},
		{"logs acme/gret", 2, "did you mean acme/greet?"},
		{"versions acme/gret", 2, "did you mean acme/greet?"},
		{"deploy amce/greet " + greet, 2, "did you mean acme?"},
		{"invoke acme/greet@0123", 2, "supervisor versions acme/greet"},
		{"rollback acme/greet 0123", 2, "supervisor versions acme/greet"},
		{"rollback acme/loop", 2, ""},
		{"alias delete acme/greet none", 2, ""},
		{"diff acme/loop", 2, ""},
		{"secret delete acme/NONE", 2, ""},
		{"token revoke none", 2, ""},
		{"replay acme/none", 2, ""},
		{"tenant put acme --policy cmopute", 2, ""},
		{"deploy acme/greet " + greet + " --policy cmopute", 2, ""},
		{"help polices", 2, "did you mean policies?"},
		// Wrong usage.
		{"depoly", 2, "deploy"},
		{"tenant lsit", 2, "list"},
		{"deploy acme/greet", 2, "usage: supervisor deploy"},
		{"deploy acme " + greet, 2, "acme/greet"},
		{"deploy acme " + folder, 2, "supervisor init"},
		{"deploy " + folder, 2, "supervisor deploy TENANT"},
		{"deploy acme/greet /nowhere.js", 2, "supervisor deploy --help"},
		{"deploy acme/greet " + greet + " --memroy 5MiB", 2, "--memory"},
		{"deploy acme/greet " + greet + " --memory lots", 2, "supervisor deploy --help"},
		{"deploy acme/greet " + greet + " --memory 1GiB", 2, "correct what is named above"},
		{"deploy acme/greet " + write(t, "bad.js", "({"), 2, "correct what is named above"},
		{"deploy Acme/Greet " + greet, 2, ""},
		{"invoke greet", 2, "acme/resize"},
		{"invoke acme/greet extra", 2, "--help"},
		{"invoke acme/greet --event {", 2, "--event"},
		{"invoke acme/greet@live --version live", 2, "one of them"},
		{"invoke acme/greet --watch --event @/nowhere/e.json", 2, ""},
		{"split set acme/greet live=90 staging=5", 2, "correct what is named above"},
		{"split set acme/greet live=ninety", 2, "supervisor split set --help"},
		{"split set acme/greet live=90 0123=10", 2, ""},
		{"logs --level loud", 2, ""},
		{"logs --outcome late", 2, ""},
		{"logs --since yesterday", 2, ""},
		{"top --sort size", 2, ""},
		{"top --interval never", 2, ""},
		{"ps nobody/else", 2, ""},
		{"usage --since never", 2, ""},
		{"token create ci", 2, "tenant-deploy"},
		{"token create ci --scope root", 2, ""},
		{"completion tcsh", 2, "bash, zsh and fish"},
		{"run /nowhere.js", 2, "supervisor run --help"},
		{"serve --log-level loud", 2, "supervisor serve --help"},
		{"serve --config /nowhere.yaml", 2, ""},
		{"serve --listen 0.0.0.0:0", 2, ""},
		{"serve --listen " + strings.TrimPrefix(d.url, "http://") + " --data " + folder, 2, ""},
		{"policy check nowhere.yaml", 2, ""},
		{"policy explain compute fetch x", 2, ""},
		{"dev /nowhere", 2, "supervisor init"},
		{"test " + folder, 2, "NAME.test.js"},
		{"init " + folder + " --template blog", 2, ""},
		{"restore /nowhere", 2, "supervisor restore --help"},
		{"check --data /nowhere", 2, ""},
		// What functions do.
		{"invoke acme/greet --event 1", 1, "supervisor logs acme/greet"},
		{"invoke acme/loop", 3, "timeout"},
		{"run " + greet + " --event 1", 1, "correct the function"},
	} {
		args := strings.Fields(c.args)
		local := slices.Contains([]string{"serve", "run", "dev", "test", "init", "policy", "restore", "check", "completion", "help", "depoly"}, args[0]) || args[0] == "tenant" && args[1] == "lsit"
		got := command{}
		if local || strings.Contains(c.args, "--server") {
			got = supervise(t, "", args...)
		} else {
			got = d.run(args...)
		}
		lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
		last := lines[len(lines)-1]
		for strings.HasPrefix(lines[len(lines)-1], "receipt:") && len(lines) > 1 {
			lines = lines[:len(lines)-1]
			last = lines[len(lines)-1]
		}
		remedy, found := strings.CutPrefix(strings.TrimSpace(last), "-> ")
		if got.exit != c.exit || !found || !strings.Contains(remedy, c.remedy) {
			t.Errorf("%s: exit %d, want %d; the remedy is to hold %q\n%s", c.args, got.exit, c.exit, c.remedy, got.stderr)
		}
	}

	// As JSON, too.
	var doc failureDocument
	if c := d.run("invoke", "acme/gret", "--json"); json.Unmarshal([]byte(c.stdout), &doc) != nil || !strings.HasPrefix(doc.Error.Remedy, "did you mean acme/greet?") {
		t.Errorf("%+v", c)
	}
	if c := d.run("invoke", "acme/gret", "--json", "--watch"); json.Unmarshal([]byte(c.stdout), &doc) != nil || strings.Count(c.stdout, "\n") != 1 {
		t.Errorf("%+v", c)
	}

	// Tokens: the remedy names the scope, and who lacks it learns of no names.
	admin := strings.TrimSpace(d.ok("token", "create", "root", "--scope", "admin"))
	asking := func(token string, args ...string) command {
		t.Setenv("BULKHEAD_TOKEN", token)
		return d.run(args...)
	}
	if c := asking("", "list"); c.exit != 5 || !strings.Contains(c.stderr, "-> send the header") || !strings.Contains(c.stderr, "supervisor token create NAME") {
		t.Errorf("no token: %+v", c)
	}
	invoker := strings.TrimSpace(asking(admin, "token", "create", "invoker", "--scope", "tenant-invoke", "--tenant", "acme").stdout)
	if c := asking(invoker, "invoke", "acme/greet", "--watch"); c.exit != 5 || !strings.Contains(c.stderr, "supervisor token create NAME --scope tenant-deploy --tenant TENANT") {
		t.Errorf("the scope: %+v", c)
	}
	if c := asking(invoker, "invoke", "acme/gret"); c.exit != 2 || strings.Contains(c.stderr, "did you mean") {
		t.Errorf("a name was told: %+v", c)
	}
	if c := asking("nonsense", "list"); c.exit != 5 || !strings.Contains(c.stderr, "-> ") {
		t.Errorf("no token at all: %+v", c)
	}
}

// Every outcome has a remedy, also where nobody has thought of one.
func TestRemedyOfEveryOutcome(t *testing.T) {
	term := &terminal{command: "supervisor invoke"}
	for _, o := range outcome.All() {
		for _, e := range []*outcome.Error{{Outcome: o}, {Outcome: o, Tenant: "acme", Function: "f", Problems: []outcome.Problem{{Field: "a"}}}} {
			if got := term.describe(e).Remedy; got == "" {
				t.Errorf("%v has none", o)
			}
		}
	}
	for _, err := range []error{errors.New("x"), context.Canceled, usagef("wrong")} {
		if got := term.describe(err).Remedy; got == "" {
			t.Errorf("%v has none", err)
		}
	}
	if got := term.describe(&usageError{"a", "b"}).Remedy; got != "b" {
		t.Errorf("%q", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"greet", "resize-image", "f1", "acme"}
	for got, want := range map[string]string{"gret": "greet", "grete": "greet", "GREET": "greet", "resize-imgae": "resize-image", "f2": "f1", "acem": "acme", "nope": "", "": "", strings.Repeat("a", 200): ""} {
		if near := nearest(got, names); near != want {
			t.Errorf("%q: %q, want %q", got, near, want)
		}
	}
}

// A socket that the user may not connect to is said to be there.
func TestSocketWithoutPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may connect to every socket")
	}
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if c := supervise(t, "", "list", "--server", "unix:"+path); c.exit != 6 || !strings.Contains(c.stderr, "auth.socket_group") {
		t.Errorf("%+v", c)
	}
}
