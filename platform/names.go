package platform

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var apiName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`)

const maxName = 128

// CheckName says what is wrong with the name of an API that is to be added to
// those in taken: it is no name, means something to JavaScript already, or
// hides another API or is hidden by one.
func CheckName(name string, taken []string) error {
	if name == "" {
		return errors.New("the name is missing")
	}
	if !apiName.MatchString(name) || len(name) > maxName {
		return fmt.Errorf("%q is no name for an API: use a JavaScript name, or several with dots between, of at most %d characters", name, maxName)
	}
	segments := strings.Split(name, ".")
	if _, reserved := slices.BinarySearch(reservedGlobals, segments[0]); reserved {
		return fmt.Errorf("%q would replace JavaScript's own %s; put the API below a name of your own, like \"acme.%s\"", name, segments[0], segments[len(segments)-1])
	}
	for _, s := range segments {
		switch s {
		case "__proto__", "constructor", "prototype", "then":
			return fmt.Errorf("%q cannot be called: %s means something else in JavaScript", name, s)
		}
	}
	for _, t := range taken {
		switch {
		case t == name:
			return fmt.Errorf("there is an API named %q already", name)
		case strings.HasPrefix(name, t+"."), strings.HasPrefix(t, name+"."):
			return fmt.Errorf("%q and %q exclude each other: one would be a member of the other", name, t)
		}
	}
	return nil
}

// reservedGlobals are the globals of JavaScript and of the Web-standard APIs
// other than fetch, which is a platform API, and the words that cannot be a
// global's name; sorted.
var reservedGlobals = func() []string {
	list := strings.Fields(`
		AbortController AbortSignal AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array
		BigUint64Array Blob Boolean ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto CryptoKey
		CustomEvent DOMException DataView Date DecompressionStream DisposableStack Error ErrorEvent EvalError Event
		EventSource EventTarget File FinalizationRegistry Float16Array Float32Array Float64Array FormData Function
		Headers Infinity Int16Array Int32Array Int8Array InternalError Intl Iterator JSON Map Math MessageChannel
		MessageEvent MessagePort NaN Navigator Number Object Performance PerformanceEntry PerformanceMark PerformanceMeasure
		PermissionError Promise PromiseRejectionEvent Proxy RangeError ReadableByteStreamController ReadableStream
		ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader
		ReferenceError Reflect RegExp Request Response Set SharedArrayBuffer String SubtleCrypto SuppressedError Symbol
		SyntaxError Temporal TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream
		TransformStreamDefaultController TypeError URIError URL URLPattern URLSearchParams Uint16Array Uint32Array
		Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly WebSocket WritableStream
		WritableStreamDefaultController WritableStreamDefaultWriter
		atob btoa clearInterval clearTimeout console crypto decodeURI decodeURIComponent encodeURI encodeURIComponent
		escape eval globalThis isFinite isNaN navigator parseFloat parseInt performance queueMicrotask
		reportError self setInterval setTimeout structuredClone undefined unescape

		arguments async await break case catch class const continue debugger default delete do else enum export
		extends false finally for function get if implements import in instanceof interface let module new null of
		package private protected public require return set static super switch this throw true try typeof var void
		while with yield exports process global window`)
	slices.Sort(list)
	return list
}()
