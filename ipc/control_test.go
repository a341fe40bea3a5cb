package ipc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

func TestControls(t *testing.T) {
	for _, want := range Controls {
		var data []byte
		if want.HasData() {
			data = []byte("x")
		}
		op, number, ok, err := CheckControl(NewControl(3, 4, want, 1<<32-1, data))
		if op != want || number != 1<<32-1 || !ok || err != nil {
			t.Errorf("%s: got %v %v %v %v", want, op, number, ok, err)
		}
	}
	if _, _, ok, err := CheckControl(&sandboxpb.HostCall{Api: "stream.read", Args: []byte("[1]")}); ok || err != nil {
		t.Errorf("an API of that name: %v %v", ok, err)
	}
	if _, _, _, err := CheckControl(&sandboxpb.HostCall{Api: "log", Args: []byte("[1]"), Data: []byte("x")}); err == nil {
		t.Error("an API with data was taken")
	}
}

func FuzzCheckControl(f *testing.F) {
	f.Add("stream:read", []byte("[1]"), []byte(nil))
	f.Add("stream:write", []byte("[4294967295]"), []byte("x"))
	f.Add("stream:close", []byte("[]"), []byte(nil))
	f.Add("log", []byte("[1]"), []byte("x"))
	f.Fuzz(func(t *testing.T, api string, args, data []byte) {
		op, number, ok, err := CheckControl(&sandboxpb.HostCall{Invocation: 1, Call: 2, Api: api, Args: args, Data: data})
		var violation *Violation
		if err != nil && !errors.As(err, &violation) {
			t.Errorf("%v is no violation", err)
		}
		if !ok || err != nil {
			return
		}
		if again := NewControl(1, 2, op, number, data); string(op) != api || !bytes.Equal(bytes.TrimLeft(again.Args[1:], "0"), bytes.TrimLeft(args[1:], "0")) {
			t.Errorf("%s %q was taken as %s %d", api, args, op, number)
		}
	})
}
