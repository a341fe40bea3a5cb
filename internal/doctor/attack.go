package doctor

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/internal/handshake"
)

// Attack is what came of the attempts.
type Attack struct {
	// Attempts are those in sandbox processes.
	Attempts []Attempt `json:"attempts"`
	// Database are the same ones in database processes. There layers are not
	// judged one by one: HeldBy and Weak are empty.
	Database []Attempt `json:"database"`
	// Escapes is how many worked in a locked process of either kind.
	Escapes int `json:"escapes"`
	// Weak is how many a layer did not stop that should.
	Weak int `json:"weak"`
	// Unproved is how many do not work here without the lock-down either, so
	// that their refusal proves nothing.
	Unproved int `json:"unproved"`
	// Layers are what was proved of each layer.
	Layers []Proof `json:"layers"`
	// Processes is how many were started.
	Processes int `json:"processes"`
}

// Attempt is what came of one attempt.
type Attempt struct {
	Name  string `json:"name"`
	Group string `json:"group"`
	Does  string `json:"does"`
	// Escaped means that it works in a locked process.
	Escaped bool `json:"escaped"`
	// Refused says how it was refused: "killed" by seccomp, or the kernel's
	// error.
	Refused string `json:"refused,omitempty"`
	// HeldBy are the layers of which each has stopped it alone, the others
	// being off.
	HeldBy []string `json:"held_by"`
	// Weak are the layers that should have, and did not.
	Weak []string `json:"weak,omitempty"`
	// Proved means that it works when the layers in HeldBy are off.
	Proved bool `json:"proved"`
	// Note says why it was not proved, or what got through.
	Note string `json:"note,omitempty"`
}

// Proof is what the attempts showed of a layer.
type Proof struct {
	Name   string `json:"name"`
	Active bool   `json:"active"`
	// Stops is how many attempts it stopped with all others off that might
	// have; Only is how many of those nothing else stops: they work when this
	// layer alone is off.
	Stops int `json:"stops"`
	Only  int `json:"only"`
}

// Progress hears how many of the attempts are done.
type Progress func(done, total int)

// Run makes all attempts in processes of its own: in sandboxes with all layers,
// with those off that should stop the attempt, and with one of these on at a time; in
// databases with all layers, and without those. has is what a sandbox has here.
// The error says why it cannot be done; what attempts come to is no error.
func Run(ctx context.Context, target Target, has []confine.Layer, all []escape.Attempt, progress Progress) (_ *Attack, err error) {
	dir, err := os.MkdirTemp(handshake.SocketBase(), handshake.DirPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := newRig(target, dir)
	defer r.close()
	w, err := newWorld(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	a := &Attack{Attempts: make([]Attempt, len(all)), Database: []Attempt{}}
	if target.Database != "" {
		a.Database = make([]Attempt, len(all))
	}
	sandbox := &judge{rig: r, program: target.sandbox(), world: w.World, has: newHost(has)}
	database := &judge{rig: r, program: target.database(), world: w.World}
	var mu sync.Mutex
	done := 0
	err = inParallel(len(all), func(i int) (err error) {
		if a.Attempts[i], err = sandbox.judge(ctx, all[i]); err == nil && len(a.Database) > 0 {
			a.Database[i], err = database.judge(ctx, all[i])
		}
		mu.Lock()
		defer mu.Unlock()
		done++
		if progress != nil {
			progress(done, len(all))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Processes = int(r.count.Load())
	a.sum(has)
	return a, nil
}

// inParallel calls f for 0 to n-1, and returns all errors. The calls wait for
// processes, so that there are more of them than processors.
func inParallel(n int, f func(int) error) error {
	next, errs := make(chan int), make([]error, n)
	var workers sync.WaitGroup
	for range min(8*runtime.NumCPU(), 32) {
		workers.Go(func() {
			for i := range next {
				errs[i] = f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}

// sum counts what the attempts came to, and what they showed of each layer.
func (a *Attack) sum(has []confine.Layer) {
	for _, t := range a.Database {
		if t.Escaped {
			a.Escapes++
		}
	}
	for _, t := range a.Attempts {
		switch {
		case t.Escaped:
			a.Escapes++
		case len(t.Weak) > 0:
			a.Weak++
		case !t.Proved:
			a.Unproved++
		}
	}
	for _, l := range has {
		if l.Name == confine.Cgroup {
			continue // it bounds what a process takes, and keeps none in
		}
		p := Proof{Name: l.Name, Active: l.Active}
		for _, t := range a.Attempts {
			if slices.Contains(t.HeldBy, l.Name) {
				p.Stops++
				if len(t.HeldBy) == 1 {
					p.Only++
				}
			}
		}
		a.Layers = append(a.Layers, p)
	}
}
