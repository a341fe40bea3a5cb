package confine

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// activeHere are the layers that a process has that is to have them all.
func activeHere(t *testing.T) map[string]bool {
	t.Helper()
	out, err := probeCommand(t, "report").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	layers, err := ParseReport(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	active := make(map[string]bool)
	for _, l := range layers {
		active[l.Name] = l.Active
	}
	return active
}

func TestReport(t *testing.T) {
	want := map[string]bool{
		"no-new-privileges": true, "not-dumpable": true, "rlimits": true, "capabilities": true, "seccomp": true, "user": true,
		"landlock": landlockVersion() > 0, "namespaces": apart() == nil, "empty-root": apart() == nil || os.Getuid() == 0,
	}
	got := activeHere(t)
	want["sealed-code"] = got["sealed-code"] // as the kernel has it
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A filter around the supervisor that refuses mseal, as that of a systemd does
// which does not know it, takes that part away and no more.
func TestFilterAroundTheSupervisor(t *testing.T) {
	want := activeHere(t)
	out, err := probeCommand(t, "walled").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	layers, err := ParseReport(out, nil)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, l := range layers {
		if l.Name == "sealed-code" {
			if strings.Contains(l.Detail, "is sealed") || !l.Active && !strings.Contains(l.Detail, "neither") {
				t.Errorf("the program's code: %+v", l)
			}
		} else if l.Active != want[l.Name] {
			t.Errorf("got %+v", l)
		}
	}
}

// A process that keeps its directory sees nothing else.
func TestKeepDir(t *testing.T) {
	if apart() != nil && os.Getuid() != 0 {
		t.Skip("there are no namespaces here")
	}
	cmd := probeCommand(t, "keep-dir")
	if err := os.WriteFile(filepath.Join(cmd.Dir, "file"), []byte("kept"), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.Output()
	if want := "[file] kept"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if _, err := os.Stat(filepath.Join(cmd.Dir, "written")); err != nil {
		t.Errorf("what it wrote: %v", err)
	}
}

// Threads that start after the lock are locked, too.
func TestThreads(t *testing.T) {
	cmd := probeCommand(t, "threads")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", cmd.Process.Pid))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		status, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkStatus(string(status), map[string]func(string) bool{
			"NoNewPrivs": is("1"), "Seccomp": is("2"), "CapEff": is(noCapability), "CapPrm": is(noCapability),
		}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// A thread that cannot be put under the filter leaves the others without: the
// kernel does not call it an error, so Lock must.
func TestDivergedThread(t *testing.T) {
	out, err := probeCommand(t, "diverged").Output()
	if err != nil || !strings.HasPrefix(string(out), saidNoLock+"confine: seccomp: installing the filter: thread ") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestCheckStatus(t *testing.T) {
	const status = "Name:\tx\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n"
	for _, tt := range []struct {
		want map[string]func(string) bool
		ok   bool
	}{
		{nil, true},
		{map[string]func(string) bool{"NoNewPrivs": is("1"), "Seccomp": is("2")}, true},
		{map[string]func(string) bool{"Seccomp": is("0")}, false},
		{map[string]func(string) bool{"CapEff": is(noCapability)}, false},
		{map[string]func(string) bool{"NStgid": isInit}, false},
	} {
		if err := checkStatus(status, tt.want); (err == nil) != tt.ok {
			t.Errorf("%v: %v", tt.want, err)
		}
	}
}

func TestLandlockFor(t *testing.T) {
	for _, tt := range []struct{ offered, want int }{{1, 1}, {7, 7}, {len(landlockVersions), len(landlockVersions)}, {99, len(landlockVersions)}} {
		config, version := landlockFor(tt.offered)
		if version != tt.want || config.HandledAccessFS == 0 || version >= 4 && config.HandledAccessNet == 0 || version >= 6 && config.Scoped == 0 {
			t.Errorf("version %d: %d, %v", tt.offered, version, config)
		}
	}
}
