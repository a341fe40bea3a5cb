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
	Attempts []Attempt `json:"attempts"`
	// Escapes is how many worked in a locked process.
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

// Run makes all attempts in processes of its own: with all layers, with those
// off that should stop it, and with one of these on at a time. has is what a
// process has here. The error says why it cannot be done; what attempts come to is
// no error.
func Run(ctx context.Context, s Sandbox, has []confine.Layer, all []escape.Attempt, progress Progress) (_ *Attack, err error) {
	dir, err := os.MkdirTemp(handshake.SocketBase(), handshake.DirPrefix)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := newRig(s, dir)
	defer r.close()
	w, err := newWorld(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()

	a := &Attack{Attempts: make([]Attempt, len(all))}
	j := &judge{rig: r, world: w.World, has: newHost(has)}
	next, errs := make(chan int), make([]error, len(all))
	var mu sync.Mutex
	done := 0
	var workers sync.WaitGroup
	for range min(8*runtime.NumCPU(), 32) {
		workers.Go(func() {
			for i := range next {
				a.Attempts[i], errs[i] = j.judge(ctx, all[i])
				mu.Lock()
				done++
				if progress != nil {
					progress(done, len(all))
				}
				mu.Unlock()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
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
	a.Processes = int(r.count.Load())
	a.prove(has)
	return a, nil
}

// prove counts what the attempts showed of each layer.
func (a *Attack) prove(has []confine.Layer) {
	for _, l := range has {
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
