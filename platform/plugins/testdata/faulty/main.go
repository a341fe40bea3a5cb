// Command faulty is a plugin that goes wrong on demand. The file "mode" beside
// it says how it starts.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/plugin"
)

type none = platform.None

func main() {
	mode, _ := os.ReadFile("mode")
	list := apis()
	switch strings.TrimSpace(string(mode)) {
	case "exit":
		fmt.Fprintln(os.Stderr, "no database: set one in plugin.yaml")
		os.Exit(3)
	case "silent":
		time.Sleep(time.Hour)
	case "garbage":
		fmt.Println("hello, I am a program")
		time.Sleep(time.Hour)
	case "reserved":
		list = append(list, platform.Typed("JSON.lines", "", func(context.Context, *platform.Call, none) (int, error) { return 0, nil }))
	case "tcp":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc")
		time.Sleep(time.Hour)
	case "fewer":
		list = list[:3]
	}
	plugin.Serve(list...)
	if os.WriteFile("cleaned-up", nil, 0o600) != nil {
		os.Exit(1)
	}
}

func apis() []platform.API {
	return []platform.API{
		platform.Typed("test.echo", "what it is given", func(_ context.Context, _ *platform.Call, v any) (any, error) { return v, nil }),
		platform.Typed("test.caller", "who calls", func(ctx context.Context, c *platform.Call, _ none) (map[string]any, error) {
			_, limited := ctx.Deadline()
			return map[string]any{"tenant": c.Tenant, "function": c.Function, "invocation": c.Invocation, "limited": limited}, nil
		}),
		platform.Typed("test.pid", "", func(context.Context, *platform.Call, none) (int, error) { return os.Getpid(), nil }),
		platform.Typed("test.surroundings", "", func(context.Context, *platform.Call, none) (map[string]any, error) {
			dir, err := os.Getwd()
			files, _ := os.ReadDir("/proc/self/fd")
			return map[string]any{"env": os.Environ(), "dir": dir, "files": len(files)}, err
		}),
		platform.Typed("test.hang", "", func(context.Context, *platform.Call, none) (int, error) {
			if err := os.WriteFile("hanging", nil, 0o600); err != nil {
				return 0, err
			}
			select {}
		}),
		platform.Typed("test.die", "", func(context.Context, *platform.Call, none) (int, error) {
			return 0, syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}),
		platform.Typed("test.stop", "", func(context.Context, *platform.Call, none) (int, error) {
			return 0, syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		}),
		platform.Typed("test.panic", "", func(context.Context, *platform.Call, none) (int, error) { panic("oh") }),
		platform.Typed("test.fail", "", func(context.Context, *platform.Call, none) (int, error) {
			return 0, errors.New("password hunter2 is wrong")
		}),
		platform.Typed("test.throw", "", func(context.Context, *platform.Call, none) (int, error) {
			return 0, &platform.Error{Name: "NotFoundError", Message: "no such place", Properties: map[string]any{"place": "x"}}
		}),
		platform.Typed("test.large", "", func(_ context.Context, _ *platform.Call, n int) (string, error) { return strings.Repeat("a", n), nil }),
		platform.Typed("test.flood", "", func(_ context.Context, _ *platform.Call, n int) (int, error) {
			fmt.Fprintln(os.Stderr, `{"@message":1,"@level":2}`)
			fmt.Fprintln(os.Stdout, "to standard output\x1b[31m")
			for range n {
				fmt.Fprintln(os.Stderr, strings.Repeat("x", 100))
			}
			return n, nil
		}),
		{Name: "test.log", Func: func(_ context.Context, c *platform.Call) (any, error) {
			c.Emit(slog.LevelWarn, "first")
			for range 2000 {
				c.Emit(slog.LevelInfo, "more")
			}
			return nil, nil
		}},
	}
}
