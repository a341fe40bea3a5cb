package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// makeInstall runs a target of the Makefile with the tests' binaries.
func makeInstall(t *testing.T, target, root string) {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make")
	}
	cmd := exec.Command("make", "-C", "../..", "--no-print-directory", "--old-file=build", target, "DESTDIR="+root, "PREFIX=/opt/bulkhead", "SYSCONFDIR=/opt/etc", "BIN="+binaries)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, out)
	}
}

func TestInstall(t *testing.T) {
	root := t.TempDir()
	makeInstall(t, "install", root)
	cmd := exec.Command(filepath.Join(root, "opt/bulkhead/bin/supervisor"), "run", "-", "--event", "1")
	cmd.Stdin = strings.NewReader("(e) => e + 1")
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(binaries, "cache"))
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "2\n" {
		t.Errorf("the installed programs: %v %s", err, out)
	}
	if page, err := os.ReadFile(filepath.Join(root, "opt/bulkhead/share/man/man1/supervisor.1")); err != nil || !strings.HasPrefix(string(page), ".TH SUPERVISOR 1 ") {
		t.Errorf("the manual page: %v %.200s", err, page)
	}
	service, err := os.ReadFile(filepath.Join(root, "opt/bulkhead/lib/systemd/system/bulkhead.service"))
	if err != nil || !strings.Contains(string(service), "\nExecStart=/opt/bulkhead/lib/bulkhead/supervisor serve --config /opt/etc/bulkhead/bulkhead.yaml\n") {
		t.Errorf("%v\n%s", err, service)
	}
	conf := filepath.Join(root, "opt/etc/bulkhead/bulkhead.yaml")
	if c, err := loadConfig(conf); err != nil {
		t.Errorf("the installed configuration: %v", err)
	} else if _, err := c.options(); err != nil {
		t.Errorf("the installed configuration: %v", err)
	}

	if err := os.WriteFile(conf, []byte("spares: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	makeInstall(t, "install", root)
	if text, _ := os.ReadFile(conf); string(text) != "spares: 1\n" {
		t.Errorf("a second install changed the configuration: %s", text)
	}
	makeInstall(t, "uninstall", root)
	var left []string
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if len(left) != 1 || left[0] != conf {
		t.Errorf("left after uninstall: %v", left)
	}
}

// units copies the units to where systemd-analyze finds them, with a program
// that exists.
func units(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	for _, name := range []string{"bulkhead.service", "bulkhead.socket", "bulkhead-functions.socket"} {
		text, err := os.ReadFile(filepath.Join("../../deploy/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "/usr/lib/bulkhead/supervisor", filepath.Join(binaries, "supervisor"))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "bulkhead.service")
}

func TestUnitsAreValid(t *testing.T) {
	service := units(t)
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", service, filepath.Join(filepath.Dir(service), "bulkhead-functions.socket")).CombinedOutput()
	if err != nil || strings.Contains(string(out), "bulkhead") {
		t.Errorf("%v\n%s", err, out)
	}
}

// exposure is what docs/operations.md promises of `systemd-analyze security`,
// in tenths: 0 is none, 100 is all there is.
const exposure = "27"

func TestUnitIsHardened(t *testing.T) {
	service := units(t)
	out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+exposure, service).CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze judges only what runs")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
