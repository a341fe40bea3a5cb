package quickjs

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
)

var engine *Engine

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "quickjs")
	if err != nil {
		panic(err)
	}
	if engine, err = NewEngine(context.Background(), dir); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := engine.Close(); err != nil {
		panic(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

func newInstance(t testing.TB, memory, stack uint64) *Instance {
	t.Helper()
	i, err := engine.NewInstance(memory, stack)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

func eval(t testing.TB, i *Instance, source string) string {
	t.Helper()
	s, err := i.evalString(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return s
}

func TestGlobals(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	const absent = "['std','os','bjson','print','console','scriptArgs','Worker','QJS_PROXY_VALUE','navigator','setTimeout','Atomics'].filter(n => n in globalThis).join()"
	if got := eval(t, i, absent); got != "" {
		t.Errorf("globals that should be absent: %s", got)
	}
}

func TestMemoryCap(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	got := eval(t, i, "(() => { const a = []; try { for (;;) a.push('x'.repeat(5000) + a.length) } catch (e) { return String(e) } })()")
	if !strings.Contains(got, "out of memory") && got != "null" {
		t.Errorf("caught %s", got)
	}
	if !i.MemoryRefused() || i.Memory() > 4<<20 {
		t.Errorf("refused %v, memory %d", i.MemoryRefused(), i.Memory())
	}
}

func TestMemoryTooSmall(t *testing.T) {
	for _, memory := range []uint64{1, PageSize, 4 * PageSize, 5 * PageSize} {
		if i, err := engine.NewInstance(memory, 128<<10); err == nil {
			i.Close()
			t.Errorf("an instance in %d bytes", memory)
		}
	}
}

func TestInterrupt(t *testing.T) {
	for name, source := range map[string]string{
		"loop":      "for (;;);",
		"catch all": "for (;;) { try { for (;;); } catch { } finally { continue } }",
		"regexp":    "/^(a+)+$/.test('a'.repeat(50) + 'b')",
		"jobs":      "const f = () => Promise.resolve().then(f); f()",
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t, 4<<20, 256<<10)
			var stopped sync.WaitGroup
			stopped.Go(i.Interrupt)
			_, err := i.Eval(source, "x.js", EvalScript)
			if err == nil {
				err = i.RunJobs(func() bool { return false })
			}
			stopped.Wait()
			if !errors.Is(err, ErrInterrupted) || !i.Condemned() {
				t.Errorf("error %v, condemned %v", err, i.Condemned())
			}
		})
	}
}

// A script that computes must not hold up the garbage collector of the
// process, nor the goroutines that wait for a processor.
func TestComputingScriptLetsOthersRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	i := newInstance(t, 4<<20, 256<<10)
	collected := make(chan struct{})
	go func() {
		runtime.GC()
		close(collected)
		i.Interrupt()
	}()
	if _, err := i.Eval("for (;;);", "x.js", EvalScript); !errors.Is(err, ErrInterrupted) {
		t.Errorf("error %v", err)
	}
	<-collected
}

func TestSnapshotRestore(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	if err := i.Reserve(256 << 10); err != nil {
		t.Fatal(err)
	}
	eval(t, i, "globalThis.n = 1; globalThis.secret = ''; String(n)")
	s, err := i.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := engine.NewInstanceFrom(s, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fresh.Close)
	for _, i := range []*Instance{i, fresh, i, fresh} {
		if got := eval(t, i, "(() => { n++; secret = 'canary'.repeat(1000); function f(d) { return d ? f(d - 1) : n } return String(f(100)) })()"); got != "2" {
			t.Errorf("n is %s, want 2", got)
		}
		if err := i.Restore(s); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(i.linear.bytes), "canary"+"canary") {
			t.Error("memory holds what was there before Restore")
		}
	}
	eval(t, i, "globalThis.a = []; for (let n = 0; n < 10; n++) a.push('x'.repeat(1e5) + n); ''")
	if err := i.Restore(s); err != nil || i.Memory() != s.Size() {
		t.Errorf("restoring a grown instance: %v, it has %d bytes, want %d", err, i.Memory(), s.Size())
	}
	if _, err := engine.NewInstanceFrom(s, 2*PageSize); !errors.Is(err, ErrMemory) {
		t.Errorf("an instance smaller than its snapshot: %v", err)
	}
}

func TestCondemnedStaysCondemned(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	s, err := i.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	i.Interrupt()
	if _, err := i.Eval("for (;;);", "x.js", EvalScript); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if err := i.Restore(s); err == nil {
		t.Error("restored after an interrupt")
	}
	if _, err := i.Snapshot(); err == nil {
		t.Error("snapshot after an interrupt")
	}
}

func TestHostFunction(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	host, err := i.HostFunction()
	if err != nil {
		t.Fatal(err)
	}
	main, err := i.Eval("(host) => { const seen = []; for (const v of ['a\\0b', '\\u{1F600}', 7, true, null, {}, 1.5]) seen.push(host(v, 'x')); return seen.join() }", "x.js", EvalScript)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	i.OnCall = func(a Args) Value {
		text, n, ok := a.Text(0, 4)
		if ok {
			got = append(got, string(text))
		}
		if !a.At(2).IsUndefined() || !a.At(-1).IsUndefined() {
			t.Error("an argument that was not given is not undefined")
		}
		if ok {
			return Int(int32(n))
		}
		return Float(float64(a.Int(0)) + 0.5)
	}
	v, err := i.Call(main, host)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := i.Text(v, 100)
	if string(text) != "3,4,7.5,1.5,0.5,0.5,0.5" || strings.Join(got, "|") != "a\x00b|\U0001F600" {
		t.Errorf("returned %q, got %q", text, got)
	}
}

func TestFloat(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	show, err := i.Eval("(x) => Object.is(x, -0) ? '-0' : String(x)", "x.js", EvalScript)
	if err != nil {
		t.Fatal(err)
	}
	for f, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 1.5: "1.5", 1e300: "1e+300", -2147483648: "-2147483648", 2147483648: "2147483648",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		v, err := i.Call(show, Float(f))
		if err != nil {
			t.Fatal(err)
		}
		if text, _, _ := i.Text(v, 100); string(text) != want {
			t.Errorf("%v is %s, want %s", f, text, want)
		}
	}
	for _, c := range []struct {
		v    Value
		want string
	}{{Float(math.NaN()), "NaN"}, {Float(math.Copysign(0, -1)), "-0"}, {Bool(true), "true"}, {Undefined, "undefined"}} {
		v, err := i.Call(show, c.v)
		if err != nil {
			t.Fatal(err)
		}
		if text, _, _ := i.Text(v, 100); string(text) != c.want {
			t.Errorf("got %s, want %s", text, c.want)
		}
	}
}

// The tenant may pass the hooks' markers and any pointer: nothing of that
// reaches outside its memory.
func TestForgedHostCalls(t *testing.T) {
	i := newInstance(t, 4<<20, 256<<10)
	i.OnCall = func(a Args) Value {
		for n := range 4 {
			_, _, _ = a.Text(n, 100)
			_ = a.Int(n)
		}
		return Undefined
	}
	for _, argc := range []int32{0, 1, 1 << 30, math.MaxInt32, -1, -2, -3, math.MinInt32} {
		for _, argv := range []uint32{0, 1, 64, 1 << 20, math.MaxUint32 - 8, math.MaxUint32} {
			stack := []uint64{0, uint64(0xfffffff9<<32 | uint64(argv)), uint64(uint32(argc)), uint64(argv)}
			hostImport(i.ctx, i.mod, stack)
		}
	}
}

func TestWASIIsOutOfReach(t *testing.T) {
	for name, params := range wasiTraps {
		t.Run(name, func(t *testing.T) {
			mod, err := engine.runtime.InstantiateWithConfig(t.Context(), callerOf(name, params), wazero.NewModuleConfig().WithName(""))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mod.ExportedFunction("f").Call(t.Context()); !errors.Is(err, errWASI) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// callerOf is a wasm module whose function f calls one WASI import with zeros.
func callerOf(name string, params []byte) []byte {
	section := func(id byte, parts ...[]byte) []byte {
		body := slices.Concat(parts...)
		return slices.Concat([]byte{id}, leb(uint32(len(body))), body)
	}
	text := func(s string) []byte { return append(leb(uint32(len(s))), s...) }
	var code [][]byte
	for _, p := range params {
		op := byte(opI32Const)
		if p == i64 {
			op = opI64Const
		}
		code = append(code, []byte{op, 0})
	}
	code = append(code, []byte{opCall, 0, opDrop})
	return slices.Concat(wasmHeader,
		section(sectionType, []byte{2, 0x60, byte(len(params))}, params, []byte{1, i32, 0x60, 0, 0}),
		section(sectionImport, []byte{1}, text("wasi_snapshot_preview1"), text(name), []byte{kindFunc, 0}),
		section(sectionFunction, []byte{1, 1}),
		section(sectionExport, []byte{1}, text("f"), []byte{kindFunc, 1}),
		section(sectionCode, []byte{1}, body(code...)))
}
