package quickjs

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
)

// busy is a program that uses much of the engine, and calls the host often.
const busy = `(host) => {
	const kept = [], map = new Map();
	for (let i = 0; i < 40; i++) {
		const o = JSON.parse('{"a":[1,2,{"b":"' + 'x'.repeat(i) + '"}]}');
		kept.push(o, [i, -i, i + 0.5].sort(), 'a-b'.replace(/-(.)/, '$1$1') + i, (x) => x + i);
		map.set('k' + i, o);
		const answer = host('["' + i + '"]', i, kept);
		if (answer) kept.push(answer);
		kept.push(host(JSON.stringify(o), map));
		try { null.x } catch (e) { kept.push(e.stack) }
	}
	new Promise((r) => r(host('[1]'))).then((v) => kept.push(host('[2]')));
	return kept.length;
}`

// killable is an engine for corrupted instances. A broken heap can make C code
// loop where the interrupt hook is never reached: a supervisor kills the process
// then, and here the context ends it.
var killable = sync.OnceValues(func() (*Engine, error) {
	return newEngine(context.Background(), "", wazero.NewRuntimeConfigCompiler().WithCloseOnContextDone(true))
})

// corrupted runs busy while memory is overwritten before each answer of the
// host. Whatever comes of it, it comes as an error.
func corrupted(t *testing.T, seed uint64, count, span int) (err error) {
	e, err := killable()
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.NewInstance(4<<20, 128<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	// A write to the shared constants would end the test's process, as it ends a
	// sandbox's: this instance gets its own.
	if err := e.data.copyOnWrite(i.linear, constantsStart, constantsEnd, constantsStart); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(i.ctx, 300*time.Millisecond)
	defer cancel()
	i.ctx = ctx
	host, err := i.HostFunction()
	if err != nil {
		t.Fatal(err)
	}
	main, err := i.Eval(busy, "x.js", EvalScript)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	i.SetDeadline(time.Now().Add(200 * time.Millisecond))
	i.OnCall = func(a Args) Value {
		for range count {
			mem := i.linear.bytes
			at := random.IntN(len(mem) - span)
			if random.IntN(2) == 0 {
				at = random.IntN(min(512<<10, len(mem)-span)) // where the engine's own data and the first blocks are
			}
			if at+span > constantsStart && at < constantsEnd {
				continue
			}
			for n := range span {
				mem[at+n] = byte(random.Uint32() >> random.IntN(32))
			}
		}
		for n := range 4 {
			_, _, _ = a.Text(n, 1<<10)
			_ = a.Int(n)
			_, _, _ = i.PromiseState(a.At(n))
		}
		text, _, ok := a.Text(0, 1<<10)
		if !ok {
			return Undefined
		}
		v, err := i.ParseJSON(text)
		if e := (*Exception)(nil); errors.As(err, &e) {
			return i.Throw(e)
		}
		if err != nil {
			i.Abort(err)
		}
		return v
	}
	v, err := i.Call(main, host)
	if err != nil {
		return err
	}
	if err := i.RunJobs(func() bool { return false }); err != nil {
		return err
	}
	p, err := i.Prototypes()
	if err != nil {
		return err
	}
	i.JSON(v, p, 1<<20)
	return i.Free(v)
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Exception
	if err != nil && !errors.As(err, &e) && !errors.Is(err, ErrTrap) && !errors.Is(err, ErrInterrupted) && !errors.Is(err, ErrMemory) {
		t.Errorf("error %v", err)
	}
}

// A script that has broken out of QuickJS's rules can write anything anywhere
// in its memory. That ends in an error of its instance, and nothing else.
func TestCorruptMemory(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	broken := 0
	for seed := range rounds {
		err := corrupted(t, uint64(seed), 1+seed%64, 1<<(seed%12))
		checkError(t, err)
		if err != nil {
			broken++
		}
	}
	if broken < rounds/10 {
		t.Errorf("%d of %d rounds ended in an error: the writes hit nothing", broken, rounds)
	}
	if got := eval(t, newInstance(t, 4<<20, 128<<10), "String(1 + 1)"); got != "2" {
		t.Errorf("afterwards 1 + 1 is %s", got)
	}
}

func FuzzCorruptMemory(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(8))
	f.Add(uint64(2), uint8(40), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, count, span uint8) {
		checkError(t, corrupted(t, seed, int(count), int(span)+1))
	})
}

// Memory that is refused at any moment, again and again, is something that
// JavaScript can catch or that ends its instance: never more.
func TestRefusedGrowth(t *testing.T) {
	const program = `(host) => {
		const kept = [];
		for (let i = 0; i < 30; i++) {
			try {
				kept.push('x'.repeat(3e4) + i, new Array(500).fill({ i }), new Uint8Array(2e4), new Map([[{ i }, [i]]]));
				kept.push(JSON.parse(JSON.stringify([i, { a: 'y'.repeat(3e3) }])), /(a|b){2,40}/.exec('abab'.repeat(500)), (function* () { yield kept })());
				kept.push(BigInt('9'.repeat(2e3)) ** 3n, new Proxy({}, {}), Symbol('s' + i), eval('(x) => x + ' + i), [...'y'.repeat(500)].sort());
				const o = {}; for (let k = 0; k < 300; k++) o['k' + i + '_' + k] = k;
				kept.push(o, new Promise((r) => r(o)).then(() => 1), class { #x = [i]; static y = 1 });
			} catch (e) {
				host(0); // lets the memory grow by some more
				if (i % 3 === 0) kept.length >>= 1;
			}
		}
		return kept.length;
	}`
	last := 40
	if testing.Short() {
		last = 8
	}
	for k := range last { // refused at the k-th page beyond what the program starts with
		i := newInstance(t, 16<<20, 128<<10)
		host, err := i.HostFunction()
		if err != nil {
			t.Fatal(err)
		}
		main, err := i.Eval(program, "x.js", EvalScript)
		if err != nil {
			t.Fatal(err)
		}
		limit := uint64(len(i.linear.bytes)) + uint64(k)*PageSize
		i.linear.limit = limit
		i.OnCall = func(Args) Value {
			i.linear.limit = min(i.linear.limit+uint64(1+k%5)*PageSize, 16<<20)
			return Undefined
		}
		i.SetDeadline(time.Now().Add(2 * time.Second))
		_, err = i.Call(main, host)
		if err == nil {
			err = i.RunJobs(func() bool { return false })
		}
		checkError(t, err)
		if !i.MemoryRefused() {
			t.Errorf("page %d: nothing was refused", k)
		}
	}
}
