package supervisor_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// with is what fakes are asked for, and one layer more.
func with(layer string, mode confine.Mode) supervisor.LayerModes {
	modes := maps.Clone(fakeLayers)
	modes[layer] = mode
	return modes
}

// A process that lacks a required layer, or that does not tell the truth about
// its layers, serves nobody.
func TestLayersAreChecked(t *testing.T) {
	noLeaks(t)
	for name, tt := range map[string]struct {
		layers supervisor.LayerModes
		wants  []string // in the error; none means that it serves
	}{
		"off":              {fakeLayers, nil},
		"preferred":        {with("landlock", confine.Preferred), nil},
		"required":         {with("landlock", confine.Required), []string{"a required layer", "layers.landlock", "fake", "CONFIG_SECURITY_LANDLOCK"}},
		"lying":            {with(liarsLayer, confine.Preferred), []string{"its lock-down is not what it reports", "Seccomp"}},
		"broken report":    {with(brokenLayer, confine.Preferred), []string{"the report has 1 layers"}},
		"unknown layer":    {supervisor.LayerModes{"selinux": confine.Off}, []string{`layer "selinux" is unknown`}},
		"unknown mode":     {supervisor.LayerModes{"seccomp": "maybe"}, []string{"must be required, preferred or off"}},
		"no cgroup":        {with(confine.Cgroup, confine.Required), []string{"a required layer", "layers.cgroup", "was given none", "cgroup.parent"}},
		"no layers at all": {nil, []string{"a required layer", "layers.seccomp"}},
	} {
		s, err := supervisor.New(t.Context(), supervisor.Options{SandboxBinary: fakeBinary(t), Layers: tt.layers, CacheDir: t.TempDir(), Spares: -1})
		if (err == nil) != (tt.wants == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			l := s.Layers()
			if len(l) != len(confine.Names) || slices.ContainsFunc(l, func(l supervisor.Layer) bool { return l.Active || l.Mode != tt.layers.For(l.Name) }) {
				t.Errorf("%s: %v", name, l)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		text := outcomeText(err)
		for _, want := range tt.wants {
			if outcome.Of(err) != outcome.Invalid || !strings.Contains(text, want) {
				t.Errorf("%s: %v: %s, want %q", name, outcome.Of(err), text, want)
			}
		}
	}
}

// outcomeText is all that an operator is told.
func outcomeText(err error) string {
	text := err.Error()
	var e *outcome.Error
	if errors.As(err, &e) {
		text += " " + e.Remedy
		for _, p := range e.Problems {
			text += " " + p.Field + ": " + p.Reason
		}
	}
	return text
}

// The real sandbox has the layers that it reports, and lacks those that are off.
func TestProbe(t *testing.T) {
	noLeaks(t)
	path, err := realBinary()
	if err != nil {
		t.Fatal(err)
	}
	o := supervisor.Options{SandboxBinary: path, StartTimeout: time.Minute}
	all, err := supervisor.Probe(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		if l.Mode == confine.Required && !l.Active {
			t.Errorf("%+v", l)
		}
	}
	for _, off := range all {
		if !off.Active {
			t.Logf("not here: %+v", off)
			continue
		}
		o.Layers = supervisor.LayerModes{off.Name: confine.Off}
		some, err := supervisor.Probe(t.Context(), o)
		if err != nil {
			t.Fatalf("without %s: %v", off.Name, err)
		}
		for _, l := range some {
			if l.Name == off.Name && l.Active {
				t.Errorf("%s is off, and active", l.Name)
			}
		}
	}
}
