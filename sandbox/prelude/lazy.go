package prelude

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// lazy are the parts of the prelude that come into an instance when something
// first needs them, each with the globals that it defines. Most functions use
// few, and what is in the base snapshot takes memory in every instance. A part
// is the file of its name or, where files are listed, those in the folder of
// its name, in order.
var lazy = []struct {
	Name    string
	Globals []string
	files   []string
}{
	{Name: "iteration", Globals: []string{}},
	{Name: "url", Globals: []string{"URL", "URLSearchParams"}},
	{
		Name: "urlpattern", Globals: []string{"URLPattern"},
		files: []string{"tokens", "canonical", "parts", "string", "class"},
	},
	{Name: "encoding", Globals: []string{"TextEncoder", "TextDecoder", "atob", "btoa"}},
	{Name: "clone", Globals: []string{"structuredClone"}},
	{Name: "events", Globals: []string{"Event", "EventTarget", "CustomEvent", "ErrorEvent", "MessageEvent", "PromiseRejectionEvent", "AbortController", "AbortSignal"}},
	{Name: "messaging", Globals: []string{"MessageChannel", "MessagePort"}},
	{Name: "crypto", Globals: []string{"crypto", "Crypto", "CryptoKey", "SubtleCrypto"}},
	{Name: "blob", Globals: []string{"Blob", "File", "FormData"}},
	{Name: "headers", Globals: []string{"Headers"}},
	{Name: "body", Globals: []string{}},
	{Name: "request", Globals: []string{"Request"}},
	{Name: "response", Globals: []string{"Response"}},
	{Name: "fetch", Globals: []string{}},
	{Name: "serve", Globals: []string{}},
	{Name: "storage", Globals: []string{}},
	{Name: "streams", Globals: []string{
		"ReadableStream", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "ReadableStreamDefaultController",
		"ReadableByteStreamController", "ReadableStreamBYOBRequest",
		"WritableStream", "WritableStreamDefaultWriter", "WritableStreamDefaultController",
		"TransformStream", "TransformStreamDefaultController", "CountQueuingStrategy", "ByteLengthQueuingStrategy",
	}, files: []string{
		"helpers", "queue", "bytes", "readers", "readable", "tee", "pipe", "writable", "writer", "transform",
	}},
	{
		Name: "codecs", Globals: []string{"TextEncoderStream", "TextDecoderStream", "CompressionStream", "DecompressionStream"},
		files: []string{"text", "compression"},
	},
	{Name: "performance", Globals: []string{
		"performance", "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "navigator", "Navigator",
	}},
}

// Lazy returns how many lazy parts there are.
func Lazy() int { return len(lazy) }

// LazySource returns lazy part n: a script whose value is a function of the host
// function and what the prelude shares, which returns the part's exports.
func LazySource(n int) string {
	names := []string{lazy[n].Name}
	if len(lazy[n].files) > 0 {
		names = nil
		for _, file := range lazy[n].files {
			names = append(names, lazy[n].Name+"/"+file)
		}
	}
	var b strings.Builder
	b.WriteString("(function (host, shared) {\n'use strict';\n")
	for _, name := range names {
		text, err := files.ReadFile("lazy/" + name + ".js")
		if err != nil {
			panic(fmt.Sprintf("BUG: prelude: %v", err)) // lazy and the files disagree
		}
		b.Write(text)
	}
	b.WriteString("})\n")
	return b.String()
}

// lazyNames tells lazy.js of the parts.
func lazyNames() string {
	text, err := json.Marshal(lazy)
	if err != nil {
		panic(fmt.Sprintf("BUG: prelude: %v", err))
	}
	return "const lazyParts = " + string(text) + ";\n"
}

// fetchNeeds are the globals whose parts a call of the platform API fetch needs.
var fetchNeeds = []string{"Request", "Response"}

// maxScanned bounds the source text that Named looks through: a large bundle
// names nearly everything, and uses at its top level what it needs.
const maxScanned = 256 << 10

// Named returns globals, one for each lazy part, that source mentions. Reading
// them before the snapshot is taken spares every invocation from loading them.
func Named(source string) (globals []string) {
	if len(source) > maxScanned {
		return nil
	}
	fetches := strings.Contains(source, "fetch(")
	for _, part := range lazy {
		for _, name := range part.Globals {
			if strings.Contains(source, name) || fetches && slices.Contains(fetchNeeds, name) {
				globals = append(globals, name)
				break
			}
		}
	}
	return globals
}
