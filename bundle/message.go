package bundle

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/evanw/esbuild/pkg/api"
)

// Message is one thing that is wrong, or looks wrong.
type Message struct {
	Text string
	// File is a path from the folder of the package, or "".
	File string
	// Line and Column are counted from 1; 0 when there is no place.
	Line, Column int
	// Excerpt is the source line at that place, or "".
	Excerpt string
}

func (m Message) String() string {
	switch {
	case m.File == "":
		return m.Text
	case m.Line == 0:
		return m.File + ": " + m.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Text)
}

// Error says why files cannot become a function.
type Error struct{ Messages []Message }

func (e *Error) Error() string {
	lines := make([]string, len(e.Messages))
	for i, m := range e.Messages {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

func fault(file, text string) error {
	return &Error{Messages: []Message{{Text: text, File: file}}}
}

// maxMessages bounds how many messages are handed on: one mistake can cause
// thousands.
const maxMessages = 50

func messages(from []api.Message, e *entry) []Message {
	out := make([]Message, 0, len(from))
	for _, m := range from {
		out = append(out, message(m, e))
	}
	if len(out) > maxMessages {
		out = append(out[:maxMessages], Message{Text: fmt.Sprintf("and %d more", len(from)-maxMessages)})
	}
	return out
}

func message(m api.Message, e *entry) Message {
	out := Message{Text: m.Text}
	at := m.Location
	if at == nil {
		return out
	}
	out.File, out.Line, out.Excerpt = at.File, at.Line, at.LineText
	// esbuild's column is an offset in bytes.
	out.Column = len(utf16.Encode([]rune(at.LineText[:min(at.Column, len(at.LineText))]))) + 1
	if e.expression && at.File == e.name() {
		out.Line = max(out.Line-1, 1)
	}
	const longest = 200
	if len(out.Excerpt) > longest {
		out.Excerpt = ""
	}
	return out
}

var unresolved = regexp.MustCompile(`^Could not resolve "(.*)"$`)

// builtins are Node's modules that have no shim.
var builtins = map[string]string{
	"fs": "there is no file system", "fs/promises": "there is no file system",
	"http": "use fetch", "https": "use fetch", "http2": "use fetch",
	"net": "there are no sockets", "tls": "there are no sockets", "dgram": "there are no sockets",
	"dns": "there are no sockets", "dns/promises": "there are no sockets",
	"child_process": "there are no processes", "cluster": "there are no processes",
	"worker_threads": "there are no threads", "os": "there is no operating system to ask",
	"crypto": "use the global crypto (Web Crypto)", "zlib": "use CompressionStream",
	"stream": "use the Web's streams", "stream/promises": "use the Web's streams", "stream/web": "use the Web's streams, which are globals",
	"vm": "there is one JavaScript world", "v8": "the engine is not V8", "module": "there is no module loader", "repl": "there is no terminal",
	"readline": "there is no terminal", "tty": "there is no terminal", "perf_hooks": "use the global performance",
	"async_hooks": "the engine has no hooks for it", "diagnostics_channel": "there is no shim for it",
	"inspector": "the engine has no inspector", "punycode": "install the package punycode, and import punycode/",
	"constants": "there is no operating system to ask", "domain": "it is deprecated", "sys": "import util",
	"trace_events": "the engine has no hooks for it", "wasi": "there is no WebAssembly in the sandbox", "test": "it is for tests",
	"sqlite": "use the platform's db.query", "timers/promises": "there is no shim for it", "console": "console is a global",
	"path/win32": "paths here are POSIX",
}

// explain says of imports that were not found what can be done.
func explain(found []Message, e *entry) []Message {
	for i, m := range found {
		match := unresolved.FindStringSubmatch(m.Text)
		if match == nil {
			continue
		}
		name := match[1]
		builtin, isNode := strings.CutPrefix(name, "node:")
		reason, known := builtins[builtin]
		switch {
		case known || isNode:
			if !known {
				reason = "there is no shim for it"
			}
			found[i].Text = fmt.Sprintf("%s, a built-in module of Node, is not there in the sandbox: %s (%s imports it)", name, reason, importer(m.File))
		case !strings.HasPrefix(name, "."):
			found[i].Text = fmt.Sprintf("cannot find %q; if it is a package, run `npm install %s` in %s", name, packageName(name), e.root)
		default:
			found[i].Text = fmt.Sprintf("cannot find %q", name)
		}
	}
	// What is one cause for many lines stays together.
	slices.SortStableFunc(found, func(a, b Message) int { return strings.Compare(a.File, b.File) })
	return found
}

var inPackage = regexp.MustCompile(`.*node_modules/((?:@[^/]+/)?[^/]+)/`)

// importer names the package that a file is part of, or the file.
func importer(file string) string {
	if m := inPackage.FindStringSubmatch(file); m != nil {
		return "the package " + m[1]
	}
	return file
}

func packageName(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if strings.HasPrefix(path, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}
