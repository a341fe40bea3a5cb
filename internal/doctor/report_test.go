package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/doctor"
)

func TestJudge(t *testing.T) {
	active := confine.Layer{Name: "seccomp", Mode: confine.Required, Active: true}
	for name, tt := range map[string]struct {
		report doctor.Report
		want   doctor.Verdict
		code   int
	}{
		"all":       {doctor.Report{Layers: doctor.Describe([]confine.Layer{active})}, doctor.Hardened, 0},
		"preferred": {doctor.Report{Layers: doctor.Describe([]confine.Layer{active, {Name: "landlock", Mode: confine.Preferred}})}, doctor.Degraded, 10},
		"off":       {doctor.Report{Layers: doctor.Describe([]confine.Layer{{Name: "landlock", Mode: confine.Off}, active})}, doctor.Degraded, 10},
		"required":  {doctor.Report{Layers: doctor.Describe([]confine.Layer{{Name: "user", Mode: confine.Preferred}, {Name: "landlock", Mode: confine.Required}})}, doctor.Unfit, 11},
		"problem":   {doctor.Report{Problems: []string{"x"}}, doctor.Unfit, 11},
		"held":      {doctor.Report{Attack: &doctor.Attack{Weak: 1}}, doctor.Hardened, 0},
		"escaped":   {doctor.Report{Problems: []string{"x"}, Attack: &doctor.Attack{Escapes: 1}}, doctor.Escaped, 1},
	} {
		tt.report.Judge()
		if tt.report.Verdict != tt.want || tt.report.Verdict.ExitCode() != tt.code {
			t.Errorf("%s: %s, %d", name, tt.report.Verdict, tt.report.Verdict.ExitCode())
		}
	}
}

// A layer that is missing has a remedy; one that is there, or off, needs none.
func TestDescribe(t *testing.T) {
	for _, name := range confine.Names {
		layers := doctor.Describe([]confine.Layer{
			{Name: name, Mode: confine.Preferred}, {Name: name, Mode: confine.Preferred, Active: true}, {Name: name, Mode: confine.Off},
		})
		if layers[0].Remedy == "" || layers[1].Remedy != "" || layers[2].Remedy != "" || layers[0].Kernel == "" {
			t.Errorf("%s: %+v", name, layers)
		}
	}
}

func TestFacts(t *testing.T) {
	advice := make(map[string]string)
	for _, f := range doctor.Facts(1 << 30) {
		if f.Name == "" || f.Value == "" {
			t.Errorf("%+v", f)
		}
		advice[f.Name] = f.Advice
	}
	if !strings.Contains(advice["open files"], "LimitNOFILE=") {
		t.Errorf("too many processes: %v", advice)
	}
}

func TestData(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"private": 0o700, "open": 0o755} {
		if err := os.Mkdir(at(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir, value, advice string
		unfit              bool
	}{
		{at("private"), at("private"), "", false},
		{at("open"), at("open"), "chmod 700", false},
		{at("new/one"), "not there yet", "", false},
		{at("file"), at("file"), "is no directory", true},
		{at("file/below"), "below", "not a directory", true},
		{"/proc/1/new", "", "", true},
	} {
		facts, unfit := doctor.Data(tt.dir)
		f := facts[0]
		if unfit != tt.unfit || !strings.Contains(f.Value, tt.value) || !strings.Contains(f.Advice, tt.advice) || tt.advice == "" && f.Advice != "" && !tt.unfit {
			t.Errorf("%s: %+v, %t", tt.dir, f, unfit)
		}
	}
	if _, err := os.Stat(at("new")); err == nil {
		t.Error("a directory was made")
	}
}
