package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// forger calls host, which no function ever gets, with whatever the bytes say.
const forger = `(host) => (bytes) => {
	const pool = [-1, 0, 1, 2, 3, 2147483647, -2147483648, 0.5, NaN, -0, 1e300, 7n, '', 'digest', 'a\0b', '\ud800', 'x'.repeat(5000), '[]', '["a",1]', '{', true, null, undefined,
		Symbol('s'), {}, [], () => 1, new Proxy({}, {}), new Uint8Array(9), new ArrayBuffer(70000), new Map([[1, 2]]), new Date(NaN), Promise.resolve(1),
		{ toString() { throw new Error('no') } }, { toString() { return host(0, 0, 1, '[]') } }, { valueOf() { host(3, 1, 1, true); return 1 } }, host];
	const numbers = JSON.parse(bytes);
	for (let at = 0; at < numbers.length;) {
		const op = numbers[at++] % 36 - 1, args = [];
		for (let n = numbers[at++] % 12; n > 0; n--) args.push(pool[numbers[at++] % pool.length]);
		try { host(op, ...args) } catch { }
	}
}`

// FuzzForgedCall makes the calls that a script could make that has broken out of
// QuickJS and got hold of the bridge: ops that there are not, other types, too
// few arguments, numbers of other calls. Whatever it sends names an API that the
// tenant has, and nothing of ours panics.
func FuzzForgedCall(f *testing.F) {
	engine, err := quickjs.NewEngine(context.Background(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = engine.Close() })
	base, err := newBase(engine)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(base.snapshot.Close)
	apis := []*sandboxpb.API{{Name: "echo"}, {Name: "log", Sync: true}}

	for op := range 36 { // each op with nothing, and with some of everything
		f.Add([]byte{byte(op), 0})
		f.Add([]byte{byte(op), 3, 1, 2, 17, byte(op), 5, 3, 5, 6, 7, 22, byte(op), 4, 25, 26, 27, 28, byte(op), 4, 2, 2, 18, 20, byte(op), 3, 34, 35, 36})
	}
	f.Fuzz(func(t *testing.T, numbers []byte) {
		numbers = numbers[:min(len(numbers), 200)]
		inst, err := engine.NewInstanceFrom(base.snapshot, 8<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer inst.Close()
		inv := &invocation{id: 7, inst: inst, apis: apis, inbox: newInbox(), version: &version{loaded: loaded{bridge: base.bridge}}, start: time.Now()}
		inv.deadline = inv.start.Add(2 * time.Second)
		inv.send = func(frame *sandboxpb.FromSandbox) error {
			if c := frame.GetHostCall(); c != nil {
				if !slices.ContainsFunc(apis, func(a *sandboxpb.API) bool { return a.GetName() == c.GetApi() }) || c.GetInvocation() != 7 || len(c.GetArgs()) > ipc.MaxArgs {
					t.Errorf("sent %v", c)
				}
				inv.inbox.put(&sandboxpb.HostResult{Invocation: 7, Call: c.GetCall()})
			}
			if l := frame.GetLog(); l != nil && (!utf8.ValidString(l.GetMessage()) || l.GetInvocation() != 7) {
				t.Errorf("sent %v", l)
			}
			return nil
		}
		host, err := inst.HostFunction()
		if err != nil {
			t.Fatal(err)
		}
		made, err := inst.Eval(forger, "x.js", quickjs.EvalScript)
		if err != nil {
			t.Fatal(err)
		}
		forge, err := inst.Call(made, host)
		if err != nil {
			t.Fatal(err)
		}
		inst.OnCall = inv.onCall
		inst.SetDeadline(inv.deadline)
		list, err := json.Marshal(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","))
		if err != nil {
			t.Fatal(err)
		}
		text, err := inst.ParseJSON(list)
		if err != nil {
			t.Fatal(err)
		}
		_, err = inst.Call(forge, text)
		var thrown *quickjs.Exception
		if err != nil && !errors.As(err, &thrown) && !errors.Is(err, quickjs.ErrInterrupted) && !errors.Is(err, quickjs.ErrMemory) {
			t.Errorf("got %v", err)
		}
	})
}
