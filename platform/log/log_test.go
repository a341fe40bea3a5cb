package log_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/log"
)

func line(t *testing.T, args ...string) string {
	t.Helper()
	api := log.API()
	if api.Name != "log" || !api.Sync {
		t.Fatalf("got %+v", api)
	}
	var lines []string
	call := &platform.Call{Emit: func(level slog.Level, message string) {
		if level != slog.LevelInfo {
			t.Errorf("level %v", level)
		}
		lines = append(lines, message)
	}}
	for _, a := range args {
		call.Args = append(call.Args, json.RawMessage(a))
	}
	if v, err := api.Func(t.Context(), call); v != nil || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	return lines[0]
}

func TestLog(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{`"hello"`}, "hello"},
		{[]string{`"a"`, `1`, `{"x":"y"}`, `[1,"2"]`, `null`, `true`}, `a 1 {"x":"y"} [1,"2"] null true`},
		{[]string{`"line\nbreak \u00e9 \"q\""`}, "line\nbreak é \"q\""},
		{[]string{`""`, `""`}, " "},
	} {
		if got := line(t, c.args...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.args, got, c.want)
		}
	}
}

func TestLogBound(t *testing.T) {
	exact := strings.Repeat("x", 16<<10)
	if got := line(t, `"`+exact+`"`); got != exact {
		t.Errorf("a line of 16 KiB was cut to %d bytes", len(got))
	}
	got := line(t, `"`+exact[1:]+`é and more"`, `"tail"`)
	if want := exact[1:] + "... (16 bytes left out)"; got != want {
		t.Errorf("got %q", got[len(got)-60:])
	}
	if !utf8.ValidString(got) {
		t.Error("cut inside a character")
	}
}
