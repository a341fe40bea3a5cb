package sandbox

import (
	"fmt"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// version is a loaded function version and the instances that were made of
// its snapshot.
type version struct {
	loaded
	engine      *quickjs.Engine
	file        string
	memory      uint64
	warm        bool
	concurrency int

	mu       sync.Mutex
	free     []*quickjs.Instance
	busy     int
	holds    int // of the snapshot, beside those of busy instances
	unloaded bool
}

func newVersion(e *quickjs.Engine, l *loaded, req *sandboxpb.LoadRequest) *version {
	return &version{
		loaded: *l, engine: e,
		file: req.GetFunction() + ".js", memory: req.GetMemory(),
		warm: req.GetWarm(), concurrency: int(max(req.GetConcurrency(), 1)),
		free: []*quickjs.Instance{l.first},
	}
}

// acquire takes an idle instance, or makes one. Whoever gets it must release
// it.
func (v *version) acquire() (inst *quickjs.Instance, isNew bool, err error) {
	v.mu.Lock()
	if v.unloaded || v.busy >= v.concurrency {
		v.mu.Unlock()
		return nil, false, &outcome.Error{
			Outcome: outcome.Overloaded,
			Detail:  fmt.Sprintf("all %d instances of the function are busy", v.concurrency),
		}
	}
	v.busy++
	if n := len(v.free) - 1; n >= 0 {
		inst = v.free[n]
		v.free = v.free[:n]
		v.mu.Unlock()
		return inst, false, nil
	}
	v.mu.Unlock()
	inst, err = v.engine.NewInstanceFrom(v.snapshot, v.memory)
	if err != nil {
		v.leave(nil)
		return nil, false, err
	}
	return inst, true, nil
}

// hold keeps the snapshot from being freed until letGo; it fails for a version
// that has been unloaded.
func (v *version) hold() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.unloaded {
		return false
	}
	v.holds++
	return true
}

// letGo ends what hold began.
func (v *version) letGo() {
	v.mu.Lock()
	v.holds--
	last := v.unused()
	v.mu.Unlock()
	if last {
		v.snapshot.Close()
	}
}

// unused tells whether the snapshot is nobody's any more. The lock is held.
func (v *version) unused() bool { return v.unloaded && v.busy == 0 && v.holds == 0 }

// release takes an instance back. One that may be used again is brought to
// the snapshot's state first, unless the function keeps its globals.
func (v *version) release(inst *quickjs.Instance) {
	if !v.reusable(inst) {
		inst.Close()
		inst = nil
	}
	v.leave(inst)
}

// leave ends what acquire began. The instance, if there is one, may be used
// again. The last one out of an unloaded version frees its snapshot.
func (v *version) leave(inst *quickjs.Instance) {
	v.mu.Lock()
	v.busy--
	last := v.unused()
	if inst != nil && !v.unloaded {
		v.free = append(v.free, inst)
		inst = nil
	}
	v.mu.Unlock()
	if inst != nil {
		inst.Close()
	}
	if last {
		v.snapshot.Close()
	}
}

func (v *version) reusable(inst *quickjs.Instance) bool {
	inst.OnCall, inst.OnRejection = nil, nil
	if v.warm {
		// Past three quarters, what the function keeps is a leak.
		return !inst.Condemned() && !inst.MemoryRefused() && inst.Memory() <= v.memory/4*3
	}
	return inst.Restore(v.snapshot) == nil
}

// unload drops the idle instances; busy ones go when they are released, and the
// snapshot with the last of them.
func (v *version) unload() {
	v.mu.Lock()
	free, first := v.free, !v.unloaded
	v.free, v.unloaded = nil, true
	if first && v.unused() {
		v.snapshot.Close()
	}
	v.mu.Unlock()
	for _, inst := range free {
		inst.Close()
	}
}

// count returns the live instances, the busy ones among them, and how much
// linear memory they have at least.
func (v *version) count() (live, busy int, memory uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	live = len(v.free) + v.busy
	return live, v.busy, uint64(live) * v.snapshot.Size()
}
