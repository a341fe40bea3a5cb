package quickjs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Engine is QuickJS, linked and compiled: what all instances of a process
// share. Its methods may be called from many goroutines. Close it after its
// instances.
type Engine struct {
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
	data     *memoryFile // what memory holds at an instance's start
	pages    *pagemap    // nil where the kernel cannot tell
}

// NewEngine links and compiles QuickJS. Compiled code is kept in cacheDir, or
// nowhere when that is empty: compiling takes about half a second, loading
// about 10 ms. The directory must be writable by nobody else, since what lies
// there is run.
func NewEngine(ctx context.Context, cacheDir string) (*Engine, error) {
	return newEngine(ctx, cacheDir, wazero.NewRuntimeConfigCompiler().WithDebugInfoEnabled(false))
}

func newEngine(ctx context.Context, cacheDir string, config wazero.RuntimeConfig) (*Engine, error) {
	if outline := readCache(cacheDir); outline != nil {
		e, err := startEngine(ctx, cacheDir, config, outline)
		if err == nil {
			return e, nil
		}
		// The machine code is damaged or gone: it is made anew.
	}
	binary, err := module()
	if err != nil {
		return nil, err
	}
	mod, err := link(binary)
	if err != nil {
		return nil, err
	}
	if cacheDir == "" {
		return startEngine(ctx, "", config, mod.binary)
	}
	outline, err := fillCache(ctx, cacheDir, config, mod)
	if err != nil {
		return nil, err
	}
	return startEngine(ctx, cacheDir, config, outline)
}

func startEngine(ctx context.Context, cacheDir string, config wazero.RuntimeConfig, binary []byte) (_ *Engine, err error) {
	e := &Engine{pages: newPagemap()}
	if cacheDir != "" {
		if e.cache, err = wazero.NewCompilationCacheWithDir(cacheDir); err != nil {
			return nil, fmt.Errorf("quickjs: opening the compile cache: %w", err)
		}
		config = config.WithCompilationCache(e.cache)
	}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err := e.start(ctx, cacheDir, binary); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) start(ctx context.Context, cacheDir string, binary []byte) error {
	if err := instantiateWASI(ctx, e.runtime); err != nil {
		return err
	}
	_, err := e.runtime.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(hostImport),
			[]api.ValueType{api.ValueTypeI32, api.ValueTypeI64, api.ValueTypeI32, api.ValueTypeI32},
			[]api.ValueType{api.ValueTypeI64}).
		Export("jsFunctionProxy").Instantiate(ctx)
	if err != nil {
		return fmt.Errorf("quickjs: making the host import: %w", err)
	}
	bare, data, err := splitData(binary)
	if err != nil {
		return err
	}
	if e.data, err = newMemoryFile("quickjs-data", data); err != nil {
		return err
	}
	others, unknown := codeSegments()
	if e.compiled, err = e.runtime.CompileModule(ctx, bare); err != nil {
		return fmt.Errorf("quickjs: compiling: %w", err)
	}
	if err := e.prove(); err != nil || cacheDir == "" || unknown != nil {
		return err
	}
	_ = shareCode(cacheDir, others) // else this process has a copy of its own
	return nil
}

// prove shows on a real instance that the offsets this package pokes are
// right: a loop stops long before QuickJS would ask by itself, endless recursion
// is a RangeError, a seed decides what Math.random returns, and promises can be
// read.
func (e *Engine) prove() error {
	// The stack is small because recursion costs wazero, too.
	i, err := e.NewInstance(4<<20, stackMargin+16<<10)
	if err != nil {
		return err
	}
	defer i.Close()

	i.Seed(1)
	if v, err := i.evalString("String(Math.random())"); err != nil || v != provenRandom {
		return fmt.Errorf("quickjs: proving the random seed: got %q, %v", v, err)
	}
	const recurse = "(function(){ function f(){ return f() + 1 } try { f() } catch (e) { return e instanceof RangeError ? 'caught' : String(e) } })()"
	if v, err := i.evalString(recurse); err != nil || v != "caught" {
		return fmt.Errorf("quickjs: proving the stack limit: got %q, %v", v, err)
	}
	if err := i.provePromises(); err != nil {
		return err
	}
	if err := i.provePlain(); err != nil {
		return err
	}
	if err := i.proveExports(); err != nil {
		return err
	}
	i.SetDeadline(time.Now())
	if _, err := i.evalString("for (let n = 0; n < 100; n++);"); !errors.Is(err, ErrInterrupted) {
		return fmt.Errorf("quickjs: proving the interrupt hook: got %v", err)
	}
	return nil
}

// provePromises shows that the state of promises is read right, and that the
// rejection hook is called.
func (i *Instance) provePromises() error {
	var unhandled []Value
	i.OnRejection = func(promise, reason Value, handled bool) {
		if !handled && reason == Int(8) {
			unhandled = append(unhandled, promise)
		}
	}
	for source, want := range map[string]struct {
		state PromiseState
		value Value
	}{
		"new Promise(() => {})": {Pending, Undefined},
		"Promise.resolve(7)":    {Fulfilled, Int(7)},
		"Promise.reject(8)":     {Rejected, Int(8)},
		"9":                     {Fulfilled, Int(9)},
	} {
		v, err := i.Eval(source, "<proof>", EvalScript)
		if err != nil {
			return fmt.Errorf("quickjs: proving promises: %w", err)
		}
		state, value, err := i.PromiseState(v)
		if err != nil || state != want.state || value != want.value {
			return fmt.Errorf("quickjs: proving promises: %s is %d, %#x, %v", source, state, uint64(value), err)
		}
		if state == Rejected && !slices.Equal(unhandled, []Value{v}) {
			return fmt.Errorf("quickjs: proving the rejection hook: %d calls", len(unhandled))
		}
	}
	i.OnRejection = nil
	return nil
}

// proveExports shows that the exports of a module are counted right.
func (i *Instance) proveExports() error {
	for source, want := range map[string]uint32{"'export'": 0, "export {}": 0, "export const a = 1, b = 2; export default a": 3} {
		module, err := i.Compile(source, "<proof>", EvalModule)
		if err != nil {
			return fmt.Errorf("quickjs: proving exports: %w", err)
		}
		if n, err := i.Exports(module); err != nil || n != want {
			return fmt.Errorf("quickjs: proving exports: %s has %d, %v", source, n, err)
		}
	}
	return nil
}

// Close frees the compiled code.
func (e *Engine) Close() error {
	ctx := context.Background()
	err := e.runtime.Close(ctx)
	if e.data != nil {
		err = errors.Join(err, e.data.close())
	}
	if e.cache != nil {
		err = errors.Join(err, e.cache.Close(ctx))
	}
	return err
}
