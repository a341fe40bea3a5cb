// Command qjs times the Go API of github.com/fastschema/qjs on the work of
// Bulkhead's BenchmarkInvocation: an async function called with a JSON event,
// its result taken as JSON. State is kept from call to call, and there is
// neither a deadline nor a memory cap. It is a module of its own because that
// API does not work with the wazero that Bulkhead uses.
//
// It prints one number: nanoseconds per call. With the argument suite it runs
// the workloads of bench/engine instead.
package main

import (
	"fmt"
	"log"
	"os"
	"testing"

	"github.com/fastschema/qjs"
)

const source = `(async (event) => ({ sum: event.a + event.b, name: event.name.toUpperCase() }))`
const event = `{"a":1,"b":2,"name":"bulkhead"}`
const want = `{"sum":3,"name":"BULKHEAD"}`

func main() {
	if len(os.Args) == 2 && os.Args[1] == "suite" {
		suite()
		return
	}
	rt, err := qjs.New()
	if err != nil {
		log.Fatal(err)
	}
	defer rt.Close()
	ctx := rt.Context()
	fn, err := ctx.Eval("f.js", qjs.Code(source))
	if err != nil {
		log.Fatal(err)
	}
	this := ctx.NewUndefined()
	r := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if got := call(ctx, fn, this); got != want {
				log.Fatalf("got %s", got)
			}
		}
	})
	fmt.Println(r.NsPerOp())
}

func call(ctx *qjs.Context, fn, this *qjs.Value) string {
	arg := ctx.ParseJSON(event)
	defer arg.Free()
	promise, err := ctx.Invoke(fn, this, arg)
	if err != nil {
		log.Fatal(err)
	}
	result, err := promise.Await()
	if err != nil {
		log.Fatal(err)
	}
	defer result.Free()
	text, err := result.JSONStringify()
	if err != nil {
		log.Fatal(err)
	}
	return text
}
