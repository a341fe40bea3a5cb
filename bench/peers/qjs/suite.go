package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/fastschema/qjs"
)

// suite runs the workloads of bench/engine. See there for what it reads and
// prints.
func suite() {
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
		rt, err := qjs.New()
		if err != nil {
			log.Fatal(err)
		}
		ctx := rt.Context()
		fn, err := ctx.Eval(name, qjs.Code(source))
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		this := ctx.NewUndefined()
		run := func() string {
			v, err := ctx.Invoke(fn, this)
			if err != nil {
				log.Fatalf("%s: %v", name, err)
			}
			defer v.Free()
			return v.String()
		}
		answer, n := run(), 0 // once to warm up
		start := time.Now()
		for time.Since(start) < request.Moment {
			run()
			n++
		}
		results[name] = result{answer, float64(time.Since(start).Nanoseconds()) / float64(n)}
		rt.Close()
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
