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

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// kill -9 of the supervisor at random points of deploys, many times on one data
// directory: what was acknowledged is there and runs, what was not is wholly
// there or wholly not, and nothing of a dead supervisor is left after the next
// one's start.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	const functions = 4
	data, temp := t.TempDir(), daemon.ShortDir(t)
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
		d := daemon.Serve(t, daemon.Options{Data: data, Temp: temp, Config: "spares: 1"})
		if left, _ := filepath.Glob(filepath.Join(temp, "bh-*")); len(left) != 1 {
			t.Errorf("round %d: directories of sockets: %v; want the living supervisor's alone", round, left)
		}
		for f := range functions {
			a, err := d.Invoke("acme", fmt.Sprint("f", f), "null")
			if err == nil && a.Status == http.StatusNotFound && known[f] == 0 {
				continue
			}
			var got struct{ F, Version int }
			if err != nil || a.Status != http.StatusOK {
				t.Fatalf("round %d: f%d, whose version %d was acknowledged: %d %s %v", round, f, known[f], a.Status, a.Body, err)
			}
			decode(t, a.Body, &got)
			if got.F != f || got.Version < known[f] || got.Version > known[f]+1 {
				t.Fatalf("round %d: f%d answers %s, version %d was acknowledged", round, f, a.Body, known[f])
			}
			if got.Version > known[f] {
				inflight++
			}
			known[f] = got.Version
		}
		if round == 0 {
			if err := d.PutTenant("acme"); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for f := range functions {
			all.Go(func() {
				for {
					a, err := d.PutFunction("acme", fmt.Sprint("f", f), code(f, known[f]+1), "")
					if err != nil {
						return // the supervisor is dead
					}
					if a.Status >= 300 {
						t.Errorf("deploy: %d %s", a.Status, a.Body)
						return
					}
					known[f]++
				}
			})
		}
		time.Sleep(100*time.Millisecond + rand.N(500*time.Millisecond)) // the moment of the kill is what varies
		d.Kill()
		all.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	d := daemon.Serve(t, daemon.Options{Data: data, Temp: temp})
	for f, version := range known {
		a, err := d.Invoke("acme", fmt.Sprint("f", f), "null")
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("%d %s %v", a.Status, a.Body, err)
		}
		var got struct{ Version int }
		decode(t, a.Body, &got)
		if got.Version != version && got.Version != version+1 {
			t.Errorf("f%d answers %s; version %s was acknowledged", f, a.Body, strconv.Itoa(version))
		}
	}
	t.Logf("versions deployed: %v; %d took effect without having been acknowledged", known, inflight)
	if err := errors.Join(d.PutTenant("acme"), d.Deploy("acme", "f0", "export default () => 'on'")); err != nil {
		t.Error(err)
	}
	d.Wants("acme", "f0", "null", `"on"`)
	d.Stop()
}
