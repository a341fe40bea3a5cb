// Package quickjs drives QuickJS-ng 0.10.1, compiled to WebAssembly, with
// wazero. It is the only package that imports wazero, and it runs in the
// sandbox process.
//
// The wasm binary is the one inside github.com/fastschema/qjs, taken by its
// SHA-256; that module's own Go API is not used (docs/engine.md says why). Link
// rewrites the binary in a few places, an Engine compiles the result once for
// the process, and every Instance is one JavaScript world in its own capped
// linear memory. A Snapshot is an instance's memory at one moment; restoring
// it costs microseconds, and that is how each invocation starts fresh.
//
// Its [Layout] lets another process open it from a file.
//
// What it trusts: nothing inside linear memory, and nothing in a layout. Known holes of this QuickJS let
// a script write anywhere in it and call any import with any arguments, so
// every pointer and length that comes out is checked against the memory's
// size, and the host functions assume no more than that. No host resource is
// reachable: nothing is mounted, and of WASI only the clock and a discarding
// stdout do anything; all the rest traps.
package quickjs
