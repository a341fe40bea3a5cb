package ipc

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

func TestCheckHostCall(t *testing.T) {
	for _, tt := range []struct {
		name, api, args string
		want            int // arguments; -1 for a violation, -2 for a refusal
	}{
		{"none", "log", `[]`, 0},
		{"two", "fetch", ` [1, {"a": [2]}]`, 2},
		{"no name", "", `[]`, -1},
		{"long name", strings.Repeat("a", MaxName+1), `[]`, -1},
		{"object", "log", `{}`, -1},
		{"null", "log", `null`, -1},
		{"empty", "log", ``, -1},
		{"cut", "log", `[1,`, -1},
		{"two values", "log", `[] []`, -1},
		{"binary", "log", "[\"\xff\"]", -1},
		{"deep", "log", strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), -1},
		{"packed", "log", "\x00[[0],[\"a\",[-1],[\"ff\"]]]", 2},
		{"packed, no array", "log", "\x00[1]", -1},
		{"packed, broken", "log", "\x00[[7]]", -1},
		{"packed, circular", "log", "\x00[[0],[\"a\",[0]]]", -2},
		{"large", "log", `["` + strings.Repeat("a", MaxArgs) + `"]`, -2},
	} {
		args, refusal, err := CheckHostCall(&sandboxpb.HostCall{Api: tt.api, Args: []byte(tt.args)})
		var v *Violation
		switch {
		case tt.want == -1:
			if !errors.As(err, &v) || v.Frame != "HostCall" {
				t.Errorf("%s: %v", tt.name, err)
			}
		case (refusal != nil) != (tt.want == -2) || err != nil || refusal == nil && len(args) != tt.want:
			t.Errorf("%s: %d arguments, refused %v, %v", tt.name, len(args), refusal, err)
		}
	}
}

func TestCheckResult(t *testing.T) {
	allowed := map[outcome.Outcome]bool{
		outcome.OK: true, outcome.Exception: true, outcome.Deadline: true, outcome.Memory: true, outcome.Output: true, outcome.CPU: true,
		outcome.Canceled: true, outcome.Crashed: true, outcome.Internal: true, outcome.Invalid: true,
	}
	for _, o := range append(outcome.All(), 200) {
		got, err := CheckResult(&sandboxpb.Result{Outcome: uint32(o)}, 10)
		if (err == nil) != allowed[o] || err == nil && got != o {
			t.Errorf("%v: got %v, %v", o, got, err)
		}
	}
	if _, err := CheckResult(&sandboxpb.Result{Outcome: 257}, 10); err == nil {
		t.Error("257 passed for 1")
	}
	for value, want := range map[string]outcome.Outcome{``: outcome.OK, `[1]`: outcome.OK, `"12345678"`: outcome.OK, `"123456789"`: outcome.Output} {
		if got, err := CheckResult(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte(value)}, 10); err != nil || got != want {
			t.Errorf("%s: got %v, %v", value, got, err)
		}
	}
	for _, value := range []string{`{`, `1 2`, "\"\xff\"", `undefined`, "\x00", "\x00[]", "\x00[[1]]"} {
		if _, err := CheckResult(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte(value)}, 10); err == nil {
			t.Errorf("%q passed", value)
		}
	}
}

func TestCheckLoad(t *testing.T) {
	ok := uint32(outcome.OK)
	problem := &sandboxpb.Problem{}
	for name, tt := range map[string]struct {
		r  *sandboxpb.LoadResponse
		ok bool
	}{
		"loaded":            {&sandboxpb.LoadResponse{Outcome: ok, Shape: sandboxpb.Shape_SHAPE_EXPRESSION}, true},
		"without shape":     {&sandboxpb.LoadResponse{Outcome: ok}, false},
		"unknown shape":     {&sandboxpb.LoadResponse{Outcome: ok, Shape: 99}, false},
		"loaded, problems":  {&sandboxpb.LoadResponse{Outcome: ok, Shape: 1, Problems: []*sandboxpb.Problem{problem}}, false},
		"refused":           {&sandboxpb.LoadResponse{Outcome: uint32(outcome.Invalid), Problems: []*sandboxpb.Problem{problem}}, true},
		"too many problems": {&sandboxpb.LoadResponse{Outcome: uint32(outcome.Invalid), Problems: make([]*sandboxpb.Problem, MaxProblems+1)}, false},
		"too much log":      {&sandboxpb.LoadResponse{Outcome: ok, Shape: 1, Logs: make([]*sandboxpb.Log, maxLoadLogs+1)}, false},
		"policy":            {&sandboxpb.LoadResponse{Outcome: uint32(outcome.Policy)}, false},
	} {
		if _, err := CheckLoad(tt.r); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestThrownIsClipped(t *testing.T) {
	e := &sandboxpb.Exception{Name: "RangeError", Message: strings.Repeat("m", 1<<20), Stack: strings.Repeat("s", 1<<20)}
	for range 100 {
		e = &sandboxpb.Exception{Name: "Error", Cause: e}
	}
	depth := 0
	for t := Thrown(e); t != nil; t = t.Cause {
		depth++
	}
	if depth != maxExceptionCauses+1 {
		t.Errorf("%d causes", depth)
	}
	if Thrown(nil) != nil {
		t.Error("nil is not nil")
	}
	long := Thrown(&sandboxpb.Exception{Message: strings.Repeat("m", 1<<20)})
	if len(long.Message) != maxExceptionMessage {
		t.Errorf("message of %d bytes", len(long.Message))
	}
}

func TestNewException(t *testing.T) {
	e := NewException("E", "m", map[string]any{"a": 1})
	if string(e.GetProperties()) != `{"a":1}` {
		t.Errorf("properties %s", e.GetProperties())
	}
	for name, properties := range map[string]map[string]any{
		"unencodable": {"f": func() {}}, "large": {"a": strings.Repeat("a", maxProperties)}, "none": nil,
	} {
		if e := NewException("E", "m", properties); e.Properties != nil || e.GetName() != "E" {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func FuzzClip(f *testing.F) {
	f.Add("hello", 3)
	f.Add("héllo wörld", 5)
	f.Add("\xff\xfe\xfd", 2)
	f.Add("€€€€", 10)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		got := Clip(s, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("Clip(%q, %d) = %q", s, limit, got)
		}
		if utf8.ValidString(s) && len(s) <= limit && got != s {
			t.Errorf("Clip(%q, %d) = %q, though it fits", s, limit, got)
		}
	})
}

// FuzzFromSandbox: whatever bytes a sandbox sends as a frame, the checks end
// with a frame within bounds or an error.
func FuzzFromSandbox(f *testing.F) {
	for _, frame := range []*sandboxpb.FromSandbox{
		{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: &sandboxpb.HostCall{Invocation: 1, Call: 1, Api: "log", Args: []byte(`[1]`)}}},
		{Frame: &sandboxpb.FromSandbox_Log{Log: &sandboxpb.Log{Level: "info", Message: "hello"}}},
		{Frame: &sandboxpb.FromSandbox_Result{Result: &sandboxpb.Result{Outcome: 1, Value: []byte(`{}`)}}},
		{Frame: &sandboxpb.FromSandbox_Result{Result: &sandboxpb.Result{Outcome: 2, Exception: &sandboxpb.Exception{Name: "E", Cause: &sandboxpb.Exception{}}}}},
	} {
		raw, err := proto.Marshal(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var frame sandboxpb.FromSandbox
		if proto.Unmarshal(raw, &frame) != nil {
			return
		}
		if c := frame.GetHostCall(); c != nil {
			args, refusal, err := CheckHostCall(c)
			if err == nil && refusal == nil {
				for _, a := range args {
					if !json.Valid(a) {
						t.Errorf("argument %q", a)
					}
				}
			}
		}
		if l := frame.GetLog(); l != nil {
			if _, message, err := CheckLog(l); err == nil && (len(message) > MaxLogMessage || !utf8.ValidString(message)) {
				t.Errorf("message %q", message)
			}
		}
		if r := frame.GetResult(); r != nil {
			o, err := CheckResult(r, 100)
			if _, fault := value.Decode(r.GetValue()); err == nil && o == outcome.OK && fault != nil {
				t.Errorf("value %q: %v", r.GetValue(), fault)
			}
			if th := Thrown(r.GetException()); th != nil && len(th.Message) > maxExceptionMessage {
				t.Errorf("message of %d bytes", len(th.Message))
			}
		}
	})
}

func FuzzCheckLoad(f *testing.F) {
	raw, err := proto.Marshal(&sandboxpb.LoadResponse{Outcome: 11, Problems: []*sandboxpb.Problem{{Field: "code", Reason: "no", Line: 1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r sandboxpb.LoadResponse
		if proto.Unmarshal(raw, &r) != nil {
			return
		}
		if _, err := CheckLoad(&r); err != nil {
			return
		}
		for _, p := range Problems(r.GetProblems()) {
			if len(p.Reason) > MaxDetail || len(p.Field) > MaxName || p.Line < 0 {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
