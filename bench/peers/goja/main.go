// Command goja runs the workloads of bench/engine in github.com/dop251/goja, a
// JavaScript interpreter in Go. It is a module of its own, so that Bulkhead
// does not depend on it. See bench/engine for what it reads and prints.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/dop251/goja"
)

func main() {
	var request struct {
		Moment    time.Duration
		Workloads map[string]string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		log.Fatal(err)
	}
	type result struct {
		Answer string
		Ns     float64
	}
	results := make(map[string]result)
	for name, source := range request.Workloads {
		vm := goja.New()
		v, err := vm.RunScript(name, source)
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		fn, ok := goja.AssertFunction(v)
		if !ok {
			log.Fatalf("%s is not a function", name)
		}
		run := func() string {
			answer, err := fn(goja.Undefined())
			if err != nil {
				log.Fatalf("%s: %v", name, err)
			}
			return answer.String()
		}
		answer, n := run(), 0 // once to warm up
		start := time.Now()
		for time.Since(start) < request.Moment {
			run()
			n++
		}
		results[name] = result{answer, float64(time.Since(start).Nanoseconds()) / float64(n)}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
