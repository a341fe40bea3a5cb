package escape

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// Every attempt says what it is, and every layer is attacked.
func TestAttempts(t *testing.T) {
	all := Attempts()
	names := make(map[string]bool)
	for _, a := range all {
		if a.Name == "" || a.Group == "" || a.Does == "" || len(a.Does) > 44 || a.try == nil || names[a.Name] || a.Name == Victim || a.Name == sayDone {
			t.Errorf("%+v", a)
		}
		names[a.Name] = true
		for _, l := range a.Layers {
			if !slices.Contains(confine.Names, l) {
				t.Errorf("%s: no layer is called %s", a.Name, l)
			}
		}
		if !slices.Contains(a.Layers, seccomp) {
			t.Errorf("%s: seccomp does not stop it", a.Name)
		}
	}
	for _, l := range confine.Reported { // control groups are not the process's to apply
		if !slices.ContainsFunc(all, func(a Attempt) bool { return slices.Contains(a.Layers, l) }) {
			t.Errorf("no attempt is stopped by %s", l)
		}
	}
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		output, how string
		want        Result
		err         string
	}{
		{"", "signal: bad system call", Result{true, Killed}, ""},
		{"", "signal: bad system call (core dumped)", Result{true, Killed}, ""},
		{"done", "exit status 0", Result{false, ""}, ""},
		{"done: got through: [1]", "exit status 0", Result{false, "got through: [1]"}, ""},
		{"refused: EACCES", "exit status 0", Result{true, "EACCES"}, ""},
		{"fault: no such layer", "exit status 0", Result{}, "no such layer"},
		{"", "exit status 2", Result{}, "exit status 2"},
		{strings.Repeat("x", 9000), "signal: killed", Result{}, "xxx..."},
	} {
		got, err := Read(tt.output, tt.how)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%.20q, %s: %+v, %v", tt.output, tt.how, got, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	want := Request{Attempt: "tcp", World: World{TCP: 1, Secret: 1 << 63}, Unfiltered: true}
	name, text, _ := strings.Cut(want.Environment(), "=")
	var got Request
	if err := json.Unmarshal([]byte(text), &got); err != nil || name != key || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %+v, %v", name, got, err)
	}
}
