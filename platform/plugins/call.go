package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/internal/remote"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
)

// call carries one call to the plugin.
func (p *plugin) call(ctx context.Context, api string, schema *platform.Schema, call *platform.Call) (any, error) {
	leave, err := p.gate.Enter(ctx, call.Tenant)
	if err != nil {
		return nil, remote.Ended(ctx, ctx, api)
	}
	defer leave()
	c := p.current()
	if c == nil {
		return nil, remote.Unavailable(api, "its plugin is being started again", nil)
	}
	answer, err := c.Call(ctx, &pluginpb.CallRequest{
		Api: api, Tenant: call.Tenant, Function: call.Function, Invocation: call.Invocation, Args: array(call.Args),
	})
	if err != nil {
		return nil, p.failure(ctx, api, err)
	}
	if call.Emit != nil {
		for _, l := range answer.GetLogs()[:min(len(answer.GetLogs()), pluginpb.MaxLogs)] {
			call.Emit(level(l.GetLevel()), l.GetMessage()[:min(len(l.GetMessage()), pluginpb.MaxLog)])
		}
	}
	if e := answer.GetError(); e != nil {
		return nil, remote.Exception(e.GetName(), e.GetMessage(), e.GetProperties())
	}
	return accept(answer.GetResult(), schema)
}

// accept checks a result.
func accept(result []byte, schema *platform.Schema) (any, error) {
	switch {
	case len(result) > pluginpb.MaxResult:
		return nil, fmt.Errorf("the plugin's result is over %d bytes", pluginpb.MaxResult)
	case len(result) > 0 && (!json.Valid(result) || !utf8.Valid(result)):
		return nil, fmt.Errorf("the plugin's result is not JSON")
	}
	if err := schema.CheckResult(result); err != nil {
		return nil, fmt.Errorf("the plugin's result: %w", err)
	}
	if len(result) == 0 {
		return nil, nil
	}
	return json.RawMessage(result), nil
}

// failure says why a call has no answer.
func (p *plugin) failure(ctx context.Context, api string, err error) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, ctx, api)
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled:
		return remote.Unavailable(api, "its plugin ended during the call", err)
	case codes.DeadlineExceeded:
		return remote.Timeout(api, err)
	case codes.ResourceExhausted:
		return fmt.Errorf("the plugin's answer is over %d bytes: %w", pluginpb.MaxMessage, err)
	}
	return fmt.Errorf("the plugin failed: %s", status.Convert(err).Message())
}

func array(args []json.RawMessage) []byte {
	list := make([][]byte, len(args))
	for i, a := range args {
		list[i] = a
	}
	return append(append([]byte{'['}, bytes.Join(list, []byte{','})...), ']')
}

func level(name string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(strings.ToUpper(name))) != nil {
		return slog.LevelInfo
	}
	return l
}
