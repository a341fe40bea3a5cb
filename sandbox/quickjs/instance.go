package quickjs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

var (
	// ErrInterrupted means that the deadline passed, or Interrupt was called,
	// while JavaScript ran. The instance is condemned.
	ErrInterrupted = errors.New("quickjs: interrupted")
	// ErrMemory means that QuickJS had no memory for what it was asked.
	ErrMemory = errors.New("quickjs: out of memory")
	// ErrTrap means that the engine itself failed: WebAssembly trapped or a
	// host function refused to go on. The instance is condemned.
	ErrTrap = errors.New("quickjs: the engine trapped")

	errWASI = errors.New("call outside the sandbox")
)

// Offsets into QuickJS's structures, in the binary named by moduleSHA256.
// Engine.prove shows at every start that those it can are right.
const (
	rtMallocSize        = 24  // JSRuntime.malloc_state.malloc_size
	rtAtoms             = 60  // JSRuntime.atom_array
	rtGCThreshold       = 116 // JSRuntime.malloc_gc_threshold
	rtStackLimit        = 128 // JSRuntime.stack_limit
	rtInterruptHandler  = 152 // JSRuntime.interrupt_handler, a table index
	rtRejectionTracker  = 172 // JSRuntime.host_promise_rejection_tracker
	rtModuleNormalize   = 188 // JSRuntime.module_normalize_func
	rtModuleLoader      = 192 // JSRuntime.module_loader_func
	ctxRandomState      = 264 // JSContext.random_state
	ctxInterruptCounter = 272 // JSContext.interrupt_counter

	// provenRandom is the first Math.random() after Seed(1).
	provenRandom = "0.28083505005035936"
)

// minMemory is what the binary's own data takes: wazero panics on a memory
// that cannot hold it.
const minMemory = 3 * PageSize

// stackMargin is what lies between the limit at which QuickJS throws and the
// stack's end: C functions that check late, and the bridge, run in it.
const stackMargin = 16 << 10

// Instance is one JavaScript world: a wasm module instance with a QuickJS
// runtime and context in it. It is used by one goroutine at a time, except
// for Interrupt. After ErrInterrupted or ErrTrap it is condemned: close it.
type Instance struct {
	// OnCall is called when JavaScript calls the host function.
	OnCall func(Args) Value
	// OnRejection, if not nil, is called when a promise is rejected without
	// a handler (handled is false) and when it gets one later (true).
	OnRejection func(promise, reason Value, handled bool)
	// OnPoll, if not nil, is called when JavaScript has run for a moment, about
	// every quarter of a millisecond.
	OnPoll func()
	// Now, if not nil, is the clock that JavaScript sees.
	Now func() time.Time

	engine *Engine
	mod    api.Module
	linear *linearMemory
	sp     api.MutableGlobal
	fn     [functions]api.Function // nil until used
	ctx    context.Context         // carries the instance to the host functions
	stack  [8]uint64

	world

	scan   pageScan
	own    []span // pages written since they were mapped, as of faults; or nil
	faults int64
	crowd  int // resets in a row with many pages of its own that did not differ
	crowds int // how often those were given back

	deadline    atomic.Int64 // UnixNano of the monotonic clock of processStart; MaxInt64 is none
	pace        pace
	cpu         account
	overCPU     bool
	interrupted bool
	trapped     bool
}

// world is where things are in linear memory; a snapshot keeps it.
type world struct {
	rt, jsctx  uint32
	stackBlock uint32
	scratch    uint32
}

// The scratch block: what C functions return through pointers, the arguments
// of the one Call under way, and text on its way in that fits.
const (
	scratchOut   = 0
	scratchArgs  = 16
	maxArgs      = 30
	scratchText  = scratchArgs + maxArgs*8
	scratchSize  = 16 << 10
	scratchLimit = scratchSize - scratchText - 1
)

// The exports that invocations use, which an instance keeps once it has used
// them: a look-up costs more than most calls. It also makes a call engine with a
// stack of about 10 KiB, so the rest is looked up each time (see once).
//
// A call engine must not be entered twice at the same time. fnCall, fnPendingJob
// and whatever once calls may run JavaScript, which may call the host, which may
// use the others: so those never run JavaScript.
const (
	fnCall = iota
	fnPendingJob
	fnParseJSON
	fnNewString
	fnToString
	fnFreeText
	fnFreeValue
	functions
)

var functionNames = [functions]string{
	"JS_Call", "JS_ExecutePendingJob", "JS_ParseJSON", "JS_NewStringLen", "JS_ToCStringLen2", "JS_FreeCString", "JS_FreeValue",
}

type instanceKey struct{}

// NewInstance makes a world with nothing in it but the language: no module
// loader, no std, os or bjson. memory caps linear memory, in bytes; stack is
// JavaScript's own stack within it.
func (e *Engine) NewInstance(memory, stack uint64) (*Instance, error) {
	i, err := e.instantiate(memory)
	if err != nil {
		return nil, err
	}
	if err := e.mapVariables(i.linear); err != nil {
		i.Close()
		return nil, err
	}
	if err := i.boot(uint32(stack)); err != nil {
		i.Close()
		return nil, err
	}
	return i, nil
}

// moduleConfig has a source of randomness, which nothing reads: the one that wazero
// would make for each instance is long in seeding.
var moduleConfig = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader)

// instantiate makes a module instance whose memory holds nothing but the
// constants.
func (e *Engine) instantiate(memory uint64) (*Instance, error) {
	memory = memory / PageSize * PageSize
	if memory < minMemory {
		return nil, fmt.Errorf("%w: %d bytes are fewer than the engine's own %d", ErrMemory, memory, minMemory)
	}
	linear, err := newLinearMemory(memory)
	if err != nil {
		return nil, err
	}
	i := &Instance{engine: e, linear: linear}
	i.deadline.Store(math.MaxInt64)
	i.ctx = context.WithValue(context.Background(), instanceKey{}, i)
	ctx := experimental.WithMemoryAllocator(i.ctx, experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory { return linear }))
	i.mod, err = e.runtime.InstantiateModule(ctx, e.compiled, moduleConfig)
	if err != nil {
		linear.Free()
		return nil, fmt.Errorf("quickjs: a new instance in %d bytes: %w", memory, err)
	}
	if err := e.mapConstants(linear); err != nil {
		i.Close()
		return nil, err
	}
	i.sp = i.mod.ExportedGlobal("__stack_pointer").(api.MutableGlobal)
	return i, nil
}

// boot starts QuickJS on a stack of its own. The linker put the C stack in
// 64 KiB above the static data, unchecked.
func (i *Instance) boot(stack uint32) error {
	block, err := i.malloc(stack)
	if err != nil {
		return err
	}
	i.useStack(block, stack)
	if i.scratch, err = i.malloc(scratchSize); err != nil {
		return err
	}

	qjs, err := i.once("New_QJS", 0, 0, 0, 0)
	if err != nil {
		return err
	}
	if qjs == 0 {
		return ErrMemory
	}
	var old uint32
	if i.rt, err = i.load32(uint32(qjs)); err != nil {
		return err
	}
	if old, err = i.load32(uint32(qjs) + 4); err != nil {
		return err
	}
	// The context that New_QJS made has std, os and bjson as modules and as
	// globals. A new one has none, and without a loader nothing brings them.
	if _, err := i.once("JS_FreeContext", uint64(old)); err != nil {
		return err
	}
	ctx, err := i.once("JS_NewContext", uint64(i.rt))
	if err != nil {
		return err
	}
	if ctx == 0 {
		return ErrMemory
	}
	i.jsctx = uint32(ctx)
	for _, poke := range [][2]uint32{
		{rtModuleNormalize, 0}, {rtModuleLoader, 0},
		{rtInterruptHandler, tableBase + slotInterrupt},
		{rtRejectionTracker, tableBase + slotRejection},
	} {
		if err := i.store32(i.rt+poke[0], poke[1]); err != nil {
			return err
		}
	}
	if threshold, err := i.load32(i.rt + rtGCThreshold); err != nil || threshold != firstGC {
		return fmt.Errorf("quickjs: the threshold of garbage collection is %d, want %d, %v", threshold, firstGC, err)
	}
	return i.store32(i.rt+rtStackLimit, i.stackBlock+stackMargin)
}

func (i *Instance) useStack(block, size uint32) {
	i.stackBlock = block
	i.sp.Set(uint64(block+size) &^ 15)
}

// SetStack gives JavaScript a stack of another size. It must not be running.
func (i *Instance) SetStack(size uint32) error {
	block, err := i.malloc(size)
	if err != nil {
		return err
	}
	old := i.stackBlock
	i.useStack(block, size)
	if err := i.store32(i.rt+rtStackLimit, i.stackBlock+stackMargin); err != nil {
		return err
	}
	return i.free(old)
}

// firstGC is the threshold that a runtime begins with. QuickJS collects when
// what it has allocated exceeds the threshold, and then sets that to half as
// much again. In WASI it counts 8 bytes for each piece of memory.
const firstGC = 256 << 10

// putOffGC sets the threshold as if garbage had just been collected: otherwise
// a snapshot taken a little below it would make every invocation collect.
func (i *Instance) putOffGC() error {
	size, err := i.load32(i.rt + rtMallocSize)
	if err != nil {
		return err
	}
	return i.store32(i.rt+rtGCThreshold, max(firstGC, size+size/2))
}

// SetDeadline makes JavaScript stop at t: within about a quarter of a
// millisecond while it computes, and in a native function when that returns. A
// zero t means no deadline. JavaScript must not be running.
func (i *Instance) SetDeadline(t time.Time) {
	if t.IsZero() {
		i.deadline.Store(math.MaxInt64)
		return
	}
	i.deadline.Store(int64(t.Sub(processStart)))
	i.setPace(pace{asked: time.Since(processStart), polls: firstPolls})
}

// Interrupt makes JavaScript stop now. It may be called from any goroutine,
// and has no effect once the instance is closed.
func (i *Instance) Interrupt() { i.deadline.Store(math.MinInt64) }

// Expired tells whether the deadline has passed, Interrupt was called, or the
// CPU time is used up.
func (i *Instance) Expired() bool {
	d := i.deadline.Load()
	if i.cpu.limit > 0 && i.cpu.limit != math.MaxInt64 {
		i.ResumeCPU()
	}
	return i.overCPU || d != math.MaxInt64 && int64(time.Since(processStart)) >= d
}

// Seed decides what Math.random returns from here on. Seed 0 is taken as 1,
// since the generator would be stuck there.
func (i *Instance) Seed(seed uint64) {
	if seed == 0 {
		seed = 1
	}
	if at := uint64(i.jsctx) + ctxRandomState; at+8 <= uint64(len(i.linear.bytes)) {
		binary.LittleEndian.PutUint64(i.linear.bytes[at:], seed)
	}
}

// Memory returns how large linear memory is now, in bytes.
func (i *Instance) Memory() uint64 { return uint64(len(i.linear.bytes)) }

// LimitMemory lowers the cap of linear memory to n bytes. It returns false,
// and changes nothing, when the cap is lower already or the memory larger.
func (i *Instance) LimitMemory(n uint64) bool {
	n = n / PageSize * PageSize
	if n > i.linear.limit || n < i.Memory() {
		return false
	}
	i.linear.limit = n
	return true
}

// shrink brings linear memory, which WebAssembly lets only grow, back to size.
// No compiled code may be running: it keeps the size while it does.
func (i *Instance) shrink(size uint32) error {
	grown := uint32(len(i.linear.bytes))
	if grown == size {
		return nil
	}
	// Whatever growth is asked for, wazero takes the size of what it is given.
	i.linear.shrinkTo = uint64(size)
	if _, ok := i.mod.Memory().Grow(1); !ok || i.mod.Memory().Size() != size {
		return fmt.Errorf("quickjs: shrinking linear memory to %d bytes: it has %d", size, i.mod.Memory().Size())
	}
	return i.linear.drop(span{size, grown})
}

// MemoryRefused tells whether QuickJS has asked for more than the cap.
func (i *Instance) MemoryRefused() bool { return i.linear.refused }

// Condemned tells whether the instance must not be used again.
func (i *Instance) Condemned() bool { return i.interrupted || i.trapped }

// Close frees the instance and its memory.
func (i *Instance) Close() {
	// Closing an instance only releases memory; its error is always nil.
	_ = i.mod.Close(context.Background())
	i.linear.Free()
}

// kept calls one of functionNames.
func (i *Instance) kept(fn int, args ...uint64) (uint64, error) {
	if i.fn[fn] == nil {
		i.fn[fn] = i.mod.ExportedFunction(functionNames[fn])
	}
	return i.do(i.fn[fn], args...)
}

// do calls an export. Every way in which C code can fail comes out here.
func (i *Instance) do(f api.Function, args ...uint64) (uint64, error) {
	if i.trapped {
		return 0, ErrTrap
	}
	copy(i.stack[:], args)
	if err := f.CallWithStack(i.ctx, i.stack[:]); err != nil {
		i.trapped = true
		if i.interrupted {
			return 0, ErrInterrupted
		}
		return 0, fmt.Errorf("%w: %w", ErrTrap, err)
	}
	return i.stack[0], nil
}

// malloc allocates linear memory: all of it can be read and written, whatever C
// says.
func (i *Instance) malloc(size uint32) (uint32, error) {
	p, err := i.once("malloc", uint64(size))
	switch {
	case err != nil:
		return 0, err
	case uint32(p) == 0:
		return 0, ErrMemory
	case uint32(p) < dataEnd, uint64(uint32(p))+uint64(size) > uint64(len(i.linear.bytes)):
		i.trapped = true
		return 0, fmt.Errorf("%w: malloc returned %#x", ErrTrap, p)
	}
	return uint32(p), nil
}

func (i *Instance) free(p uint32) error {
	_, err := i.once("free", uint64(p))
	return err
}

// once calls an export that is not worth keeping a call engine for.
func (i *Instance) once(name string, args ...uint64) (uint64, error) {
	return i.do(i.mod.ExportedFunction(name), args...)
}

func (i *Instance) load32(at uint32) (uint32, error) {
	if uint64(at)+4 > uint64(len(i.linear.bytes)) {
		i.trapped = true
		return 0, fmt.Errorf("%w: address %#x is outside memory", ErrTrap, at)
	}
	return binary.LittleEndian.Uint32(i.linear.bytes[at:]), nil
}

func (i *Instance) store32(at, v uint32) error {
	if uint64(at)+4 > uint64(len(i.linear.bytes)) {
		i.trapped = true
		return fmt.Errorf("%w: address %#x is outside memory", ErrTrap, at)
	}
	binary.LittleEndian.PutUint32(i.linear.bytes[at:], v)
	return nil
}
