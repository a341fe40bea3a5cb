package platform_test

import (
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
)

func TestArg(t *testing.T) {
	call := &platform.Call{Args: []json.RawMessage{json.RawMessage(`"a"`), json.RawMessage(`null`)}}
	v := "before"
	if ok, err := call.Arg(0, "first", &v); !ok || err != nil || v != "a" {
		t.Errorf("got %v, %v, %q", ok, err, v)
	}
	for _, i := range []int{1, 2} {
		if ok, err := call.Arg(i, "missing", &v); ok || err != nil || v != "a" {
			t.Errorf("argument %d: got %v, %v, %q", i, ok, err, v)
		}
	}
	var n int
	_, err := call.Arg(0, "first", &n)
	var pe *platform.Error
	if !errors.As(err, &pe) || pe.Name != "TypeError" || pe.Message != "argument 1 (first) has the wrong type" {
		t.Errorf("got %v", err)
	}
}

func TestErrorf(t *testing.T) {
	err := platform.Errorf("NetworkError", "reading: %w", io.EOF)
	if err.Error() != "NetworkError: reading: EOF" || !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if err := platform.TypeErrorf("no"); err.Name != "TypeError" || err.Err != nil {
		t.Errorf("got %+v", err)
	}
}
