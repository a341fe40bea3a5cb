package prelude

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// lazy are the parts of the prelude that come into an instance when something
// first needs them, each with the globals that it defines. Most functions use
// few, and what is in the base snapshot takes memory in every instance.
var lazy = []struct {
	Name    string
	Globals []string
}{
	{"url", []string{"URL", "URLSearchParams"}},
	{"encoding", []string{"TextEncoder", "TextDecoder", "atob", "btoa"}},
	{"clone", []string{"structuredClone"}},
	{"events", []string{"Event", "EventTarget", "CustomEvent", "ErrorEvent", "MessageEvent", "PromiseRejectionEvent", "AbortController", "AbortSignal"}},
	{"crypto", []string{"crypto", "Crypto", "CryptoKey", "SubtleCrypto"}},
	{"blob", []string{"Blob", "File", "FormData"}},
	{"headers", []string{"Headers"}},
	{"body", []string{}},
	{"request", []string{"Request"}},
	{"response", []string{"Response"}},
	{"fetch", []string{}},
	{"streams", []string{
		"ReadableStream", "ReadableStreamDefaultReader", "ReadableStreamBYOBReader", "ReadableStreamDefaultController",
		"ReadableByteStreamController", "ReadableStreamBYOBRequest",
		"WritableStream", "WritableStreamDefaultWriter", "WritableStreamDefaultController",
		"TransformStream", "TransformStreamDefaultController", "CountQueuingStrategy", "ByteLengthQueuingStrategy",
	}},
	{"codecs", []string{"TextEncoderStream", "TextDecoderStream", "CompressionStream", "DecompressionStream"}},
	{"performance", []string{
		"performance", "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure", "navigator", "Navigator",
	}},
}

// Lazy returns how many lazy parts there are.
func Lazy() int { return len(lazy) }

// LazySource returns lazy part n: a script whose value is a function of the host
// function and what the prelude shares, which returns the part's exports.
func LazySource(n int) string {
	text, err := files.ReadFile("lazy/" + lazy[n].Name + ".js")
	if err != nil {
		panic(fmt.Sprintf("BUG: prelude: %v", err)) // lazy and the files disagree
	}
	return "(function (host, shared) {\n'use strict';\n" + string(text) + "})\n"
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
