package plugin

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
	"github.com/bulkhead-run/bulkhead/value"
)

func api(name string, do func(context.Context, *platform.Call) (any, error)) platform.API {
	return platform.API{Name: name, Func: do}
}

func nothing(context.Context, *platform.Call) (any, error) { return nil, nil }

func TestServerRefuses(t *testing.T) {
	several := make([]platform.API, pluginpb.MaxAPIs+1)
	for i := range several {
		several[i] = api("a"+strings.Repeat("b", i%100)+strings.Repeat("c", i/100), nothing)
	}
	for want, list := range map[string][]platform.API{
		"there are 0 APIs":                                  nil,
		"there are 257 APIs":                                several,
		`there is an API named "a" already`:                 {api("a", nothing), api("a", nothing)},
		"would replace JavaScript's own URL":                {api("URL.x", nothing)},
		`the API "a" has no Func`:                           {{Name: "a"}},
		`the API "a" has Attributes or ChecksItself, which`: {{Name: "a", Func: nothing, ChecksItself: true}},
	} {
		if _, err := newServer(list, os.Stderr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestServerCall(t *testing.T) {
	stderr, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	late := make(chan *platform.Call, 1)
	s, err := newServer([]platform.API{
		api("empty", nothing),
		api("also.empty", func(context.Context, *platform.Call) (any, error) { return value.Undefined, nil }),
		api("lossy", func(context.Context, *platform.Call) (any, error) {
			return []any{1.5, []byte("a"), value.Undefined}, nil
		}),
		api("values", func(_ context.Context, c *platform.Call) (any, error) { v, err := c.Values(); return v, err }),
		api("panics", func(context.Context, *platform.Call) (any, error) { panic("oh") }),
		api("unencodable", func(context.Context, *platform.Call) (any, error) { return make(chan int), nil }),
		api("large", func(context.Context, *platform.Call) (any, error) {
			return strings.Repeat("a", pluginpb.MaxResult), nil
		}),
		api("odd", func(context.Context, *platform.Call) (any, error) {
			return nil, &platform.Error{Name: "OddError", Message: "\xff", Properties: map[string]any{"f": func() {}}}
		}),
		api("talks", func(_ context.Context, c *platform.Call) (any, error) {
			c.Emit(slog.LevelDebug, "d\xff")
			c.Emit(slog.LevelError, strings.Repeat("e", pluginpb.MaxLog+1))
			for range 100 {
				c.Emit(slog.LevelWarn, strings.Repeat("w", 1<<10))
			}
			late <- c
			return nil, nil
		}),
	}, stderr)
	if err != nil {
		t.Fatal(err)
	}
	call := func(name, args string) (*pluginpb.CallResponse, error) {
		return s.Call(t.Context(), &pluginpb.CallRequest{Api: name, Args: []byte(args)})
	}
	for name, want := range map[string]string{"empty": "", "also.empty": "", "lossy": `[1.5,{"0":97},null]`, "values": `[1,"a"]`} {
		answer, err := call(name, `[1,"a"]`)
		if err != nil || answer.GetError() != nil || string(answer.GetResult()) != want {
			t.Errorf("%s: got %s, %v", name, answer.GetResult(), err)
		}
	}
	for name, want := range map[string]codes.Code{"panics": codes.Internal, "unencodable": codes.Internal, "none": codes.NotFound} {
		if _, err := call(name, `[]`); status.Code(err) != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if text, _ := os.ReadFile(stderr.Name()); !strings.Contains(string(text), "panic in panics: oh") {
		t.Errorf("stderr: %s", text)
	}
	if _, err := call("empty", `{}`); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	if answer, err := call("large", `[]`); err != nil || answer.GetError().GetName() != "RangeError" {
		t.Errorf("got %v, %v", answer.GetError(), err)
	}
	if answer, err := call("odd", `[]`); err != nil || answer.GetError().GetMessage() != "\uFFFD" || answer.GetError().GetProperties() != nil {
		t.Errorf("got %v, %v", answer, err)
	}
	answer, err := call("talks", `[]`)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, l := range answer.GetLogs() {
		size += len(l.GetMessage())
	}
	if l := answer.GetLogs(); l[0].GetLevel() != "debug" || l[0].GetMessage() != "d\uFFFD" || l[1].GetLevel() != "error" || len(l[1].GetMessage()) != pluginpb.MaxLog || size > 32<<10 {
		t.Errorf("%d lines of %d bytes", len(l), size)
	}
	(<-late).Emit(slog.LevelInfo, "after the call") // is dropped, and harms nobody
}
