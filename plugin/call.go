package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
	"github.com/bulkhead-run/bulkhead/value"
)

func (s *server) Call(ctx context.Context, r *pluginpb.CallRequest) (*pluginpb.CallResponse, error) {
	api, ok := s.apis[r.GetApi()]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "this plugin has no API %q", r.GetApi())
	}
	var args []json.RawMessage
	if err := json.Unmarshal(r.GetArgs(), &args); err != nil {
		return nil, status.Error(codes.InvalidArgument, "the arguments are no JSON array")
	}
	var lines lines
	result, err := s.perform(ctx, api, &platform.Call{
		Tenant: r.GetTenant(), Function: r.GetFunction(), Invocation: r.GetInvocation(),
		Args: args, Wire: value.Wire(r.GetArgs()), Emit: lines.add,
	})
	answer := &pluginpb.CallResponse{Logs: lines.take()}
	var known *platform.Error
	switch {
	case errors.As(err, &known):
		answer.Error = &pluginpb.Error{Name: known.Name, Message: strings.ToValidUTF8(known.Message, "\uFFFD")}
		if len(known.Properties) > 0 {
			answer.Error.Properties, _ = json.Marshal(known.Properties) // left out, if they have no JSON form
		}
	case err != nil:
		return nil, status.Error(codes.Internal, strings.ToValidUTF8(err.Error(), "\uFFFD"))
	default:
		answer.Result = result
	}
	return answer, nil
}

// perform does the work; an API that panics fails.
func (s *server) perform(ctx context.Context, api platform.API, call *platform.Call) (result json.RawMessage, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(s.stderr, "panic in %s: %v\n%s", api.Name, p, debug.Stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := api.Schema.CheckArguments(call.Args); err != nil {
		return nil, err
	}
	v, err := api.Func(ctx, call)
	if err != nil || v == nil {
		return nil, err
	}
	wire, err := value.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("the result cannot be encoded: %w", err)
	}
	if len(wire) == 0 { // undefined
		return nil, nil
	}
	result, err = value.ToJSON(wire)
	if err == nil && len(result) > pluginpb.MaxResult {
		err = platform.Errorf("RangeError", "the result of %s is over %d bytes", api.Name, pluginpb.MaxResult)
	}
	return result, err
}

// lines collects what a call logs.
type lines struct {
	mu   sync.Mutex
	list []*pluginpb.Log
	size int
}

func (l *lines) add(level slog.Level, message string) {
	message = strings.ToValidUTF8(message[:min(len(message), pluginpb.MaxLog)], "\uFFFD")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size += len(message); len(l.list) == pluginpb.MaxLogs || l.size > maxLines {
		return
	}
	l.list = append(l.list, &pluginpb.Log{Level: levelName(level), Message: message})
}

// maxLines bounds the lines of one call together: they share a message with
// the result.
const maxLines = 32 << 10

func (l *lines) take() []*pluginpb.Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list, l.size = nil, maxLines // what comes later is dropped
	return list
}

func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	}
	return "error"
}
