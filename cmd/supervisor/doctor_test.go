package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/doctor"
)

func TestDoctor(t *testing.T) {
	shared := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct {
		name, config string
		args         []string
		exit         int // -1: as the host is
		want         doctor.Verdict
		stderr       string
	}{
		{"as it is", "", nil, -1, "", ""},
		{"a layer is off", "layers: {rlimits: off}", nil, 10, doctor.Degraded, ""},
		{"no data directory", "", []string{"--data", "/proc/self/status"}, 11, doctor.Unfit, ""},
		{"no sandbox of ours", "", []string{"--sandbox-bin", "/bin/true"}, 11, doctor.Unfit, ""},
		{"no sandbox", "", []string{"--sandbox-bin", "/nowhere"}, 11, doctor.Unfit, ""},
		{"no such layer", "layers: {seccmop: off}", nil, 2, "", "seccmop"},
		{"an argument", "", []string{"now"}, 2, "", "unexpected argument"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"doctor", "--config", write(t, "c.yaml", c.config), "--data", shared}, c.args...)
			text := supervise(t, "", args...)
			got := supervise(t, "", append(args, "--json")...)
			if text.exit != got.exit || c.exit >= 0 && got.exit != c.exit || !strings.Contains(text.stderr, c.stderr) {
				t.Fatalf("exit %d and, with --json, %d, want %d; %s", text.exit, got.exit, c.exit, text.stderr)
			}
			if c.exit == 2 {
				return
			}
			for line := range strings.Lines(text.stdout) {
				if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 80 && !strings.Contains(line, "/") {
					t.Errorf("too wide: %s", line)
				}
			}
			var r doctor.Report
			if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
				t.Fatalf("%v\n%s", err, got.stdout)
			}
			if c.want == "" {
				c.want = r.Verdict // which its exit code has to fit
			}
			if r.Verdict != c.want || got.exit != r.Verdict.ExitCode() || !strings.Contains(text.stdout, "\n"+string(r.Verdict)+": ") {
				t.Errorf("%s, exit %d, want %s\n%s", r.Verdict, got.exit, c.want, text.stdout)
			}
			if len(r.Layers) != len(confine.Names) && len(r.Problems) == 0 || len(r.Host) == 0 || len(r.Data) == 0 || r.Attack != nil {
				t.Errorf("%+v", r)
			}
			for _, l := range r.Layers {
				if !strings.Contains(text.stdout, " "+l.Name+" ") {
					t.Errorf("%s is not in the table", l.Name)
				}
			}
		})
	}
}

// With the strongest layer off, native code gets out, and the command says so.
func TestDoctorAttack(t *testing.T) {
	file := write(t, "c.yaml", "layers: {seccomp: off, sealed-code: off}")
	got := supervise(t, "", "doctor", "--attack", "--config", file, "--data", t.TempDir())
	if got.exit != 1 || !strings.Contains(got.stdout, "GOT OUT") || !strings.Contains(got.stdout, "\nescaped: ") || got.stderr != "" {
		t.Errorf("exit %d, %s\n%s", got.exit, got.stderr, got.stdout)
	}
}

// Sandboxes that serve cannot be asked for an attempt: what the supervisor's
// environment says does not reach them.
func TestAttemptsAreNotForService(t *testing.T) {
	t.Setenv("BULKHEAD_ESCAPE", `{"attempt":"open-file"}`)
	if got := supervise(t, "() => 7", "run", "-"); got.exit != 0 || got.stdout != "7\n" {
		t.Errorf("exit %d, %q, %s", got.exit, got.stdout, got.stderr)
	}
}
