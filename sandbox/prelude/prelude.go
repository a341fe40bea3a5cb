// Package prelude holds the JavaScript that runs in every instance before
// tenant code. It is evaluated once for each process, into the snapshot that
// all instances start from.
//
// It is one strict function of the host function; its files are that
// function's body, in the order of parts. It keeps its own references to all
// that it uses (primordials.js), so that a script which redefines Promise or
// JSON changes what its own code sees and nothing here.
package prelude

import (
	"embed"
	"strings"
)

//go:embed *.js lazy
var files embed.FS

// parts are the files, in order: each may use what those before it define.
var parts = []string{
	"primordials.js", "errors.js", "values.js", "hostcalls.js", "timers.js", "inspect.js", "console.js",
	"http.js", "lazy.js", "db.js", "apis.js", "invocation.js",
}

// Bridge names the functions that evaluating Source and calling its value
// with the host function returns, in order.
var Bridge = []string{"define", "adopt", "start", "serve", "follow", "settle", "timer", "report", "pack", "answer"}

// Source is a script whose value is a function of the host function.
var Source = source()

// File is the name under which Source appears in stack traces; frames of it
// are left out of what tenants see.
const File = "<bulkhead>"

func source() string {
	var b strings.Builder
	b.WriteString("(function (host) {\n'use strict';\n" + lazyNames())
	for _, name := range parts {
		text, err := files.ReadFile(name)
		if err != nil {
			panic("BUG: prelude: " + err.Error()) // parts and the files disagree
		}
		b.Write(text)
	}
	b.WriteString("return [" + strings.Join(Bridge, ", ") + "];\n})\n")
	return b.String()
}
