package log

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/platform"
)

// maxLine is how many bytes of a line are kept.
const maxLine = 16 << 10

// API returns the API log(...values). It joins its arguments with spaces,
// strings as they are and everything else as JSON, and emits the line at level
// info. Of a line over 16 KiB the rest is left out, with a note that says how
// much.
func API() platform.API {
	return platform.API{
		Name: "log",
		Sync: true,
		Doc:  "log(...values): write a line to the invocation's log",
		Func: func(_ context.Context, call *platform.Call) (any, error) {
			call.Emit(slog.LevelInfo, format(call.Args))
			return nil, nil
		},
	}
}

func format(args []json.RawMessage) string {
	var b strings.Builder
	cut := 0
	write := func(s string) {
		keep := min(len(s), maxLine-b.Len())
		for keep > 0 && keep < len(s) && !utf8.RuneStart(s[keep]) {
			keep--
		}
		if cut > 0 {
			keep = 0
		}
		b.WriteString(s[:keep])
		cut += len(s) - keep
	}
	for i, arg := range args {
		if i > 0 {
			write(" ")
		}
		var s string
		if len(arg) > 0 && arg[0] == '"' && json.Unmarshal(arg, &s) == nil {
			write(s)
		} else {
			write(string(arg))
		}
	}
	if cut > 0 {
		fmt.Fprintf(&b, "... (%d bytes left out)", cut)
	}
	return b.String()
}
