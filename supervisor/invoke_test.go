package supervisor_test

import (
	"testing"
)

func TestInvoke(t *testing.T) {
	s := open(t, apis(upper()))
	f := deploy(t, s, "acme", "hello", "log info first\ncall upper [\"abc\"]\nanswer")
	r, err := s.Invoke(t.Context(), "acme", "hello", nil)
	wantValue(t, r, err, `"\"ABC\""`)
	if !r.Cold || r.Version != f.Version || r.PID == 0 || r.Invocation == "" || r.Duration <= 0 {
		t.Errorf("result %+v", r)
	}
	if len(r.Logs) != 1 || r.Logs[0].Message != "first" {
		t.Errorf("logs %v", r.Logs)
	}
	again, err := s.Invoke(t.Context(), "acme", "hello", []byte(`{"a":1}`))
	wantValue(t, again, err, `"\"ABC\""`)
	if again.Cold || again.PID != r.PID || again.Invocation == r.Invocation {
		t.Errorf("second result %+v after %+v", again, r)
	}
}
