package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// kill -9 of the supervisor at random points of deploys, many times on one data
// directory: what was acknowledged is there and runs, what was not is wholly
// there or wholly not, and nothing of a dead supervisor is left after the next
// one's start.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	const functions = 4
	data, temp := t.TempDir(), shortDir(t)
	rounds := 8
	if d := lasting(t, 0); d > 0 {
		rounds = 100
	}
	var known [functions]int // the newest version that was acknowledged
	code := func(function, version int) string {
		return fmt.Sprintf("/* %d */ export default () => ({ f: %d, version: %d });", rand.Uint64(), function, version)
	}
	inflight := 0
	for round := range rounds {
		d := serve(t, options{data: data, temp: temp, config: "spares: 1"})
		if left, _ := filepath.Glob(filepath.Join(temp, "bh-*")); len(left) != 1 {
			t.Errorf("round %d: directories of sockets: %v; want the living supervisor's alone", round, left)
		}
		for f := range functions {
			a, err := d.invoke("acme", fmt.Sprint("f", f), "null")
			if err == nil && a.status == http.StatusNotFound && known[f] == 0 {
				continue
			}
			var got struct{ F, Version int }
			if err != nil || a.status != http.StatusOK {
				t.Fatalf("round %d: f%d, whose version %d was acknowledged: %d %s %v", round, f, known[f], a.status, a.body, err)
			}
			decode(t, a.body, &got)
			if got.F != f || got.Version < known[f] || got.Version > known[f]+1 {
				t.Fatalf("round %d: f%d answers %s, version %d was acknowledged", round, f, a.body, known[f])
			}
			if got.Version > known[f] {
				inflight++
			}
			known[f] = got.Version
		}
		if round == 0 {
			if err := d.putTenant("acme"); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for f := range functions {
			all.Go(func() {
				for {
					a, err := d.putFunction("acme", fmt.Sprint("f", f), code(f, known[f]+1))
					if err != nil {
						return // the supervisor is dead
					}
					if a.status >= 300 {
						t.Errorf("deploy: %d %s", a.status, a.body)
						return
					}
					known[f]++
				}
			})
		}
		time.Sleep(100*time.Millisecond + rand.N(500*time.Millisecond)) // the moment of the kill is what varies
		d.kill()
		all.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	d := serve(t, options{data: data, temp: temp})
	for f, version := range known {
		a, err := d.invoke("acme", fmt.Sprint("f", f), "null")
		if err != nil || a.status != http.StatusOK {
			t.Errorf("%d %s %v", a.status, a.body, err)
		}
		var got struct{ Version int }
		decode(t, a.body, &got)
		if got.Version != version && got.Version != version+1 {
			t.Errorf("f%d answers %s; version %s was acknowledged", f, a.body, strconv.Itoa(version))
		}
	}
	t.Logf("versions deployed: %v; %d took effect without having been acknowledged", known, inflight)
	if err := errors.Join(d.putTenant("acme"), d.deploy("acme", "f0", "export default () => 'on'")); err != nil {
		t.Error(err)
	}
	d.wants("acme", "f0", "null", `"on"`)
	d.stop()
}
