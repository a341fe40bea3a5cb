package sandbox_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// bodyWorld is a world whose fetch is streams.bodies.
func bodyWorld(t testing.TB) *world {
	w := newWorld(t)
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"fetch": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			answer := map[string]any{"status": 200, "headers": [][2]string{}}
			if strings.Contains(string(args[0]), "large") {
				answer["bodyStream"] = w.sendStream(io.NopCloser(io.LimitReader(endless{}, 32<<20)))
				return answer, nil
			}
			return answer, w.bodies(args, answer)
		},
	}
	return w
}

// What passes through a function does not stay in its memory.
func TestPiecesAreLetGo(t *testing.T) {
	w := bodyWorld(t)
	for name, source := range map[string]string{
		"read":        `async () => { let n = 0; for await (const c of (await fetch('http://h/large')).body) n += c.length; return n }`,
		"a buffer":    `async () => { let n = 0, b = new Uint8Array(50000); const r = (await fetch('http://h/large')).body.getReader({ mode: 'byob' }); for (;;) { const { value, done } = await r.read(b); if (done) return n; n += value.length; b = new Uint8Array(value.buffer) } }`,
		"transformed": `async () => { let n = 0; const t = new TransformStream({ transform(c, k) { k.enqueue(c.subarray(0)) } }); for await (const c of (await fetch('http://h/large')).body.pipeThrough(t)) n += c.length; return n }`,
	} {
		t.Run(name, func(t *testing.T) {
			w.mustLoad(request(name, source))
			s := w.slot()
			s.start(name, `{}`, time.Minute)
			r := s.finish()
			if r.outcome() != outcome.OK || string(r.GetValue()) != "33554432" {
				t.Fatalf("%v %s %v", r.outcome(), r.GetValue(), r.GetException())
			}
			if r.GetPeakMemory() > 3<<20 {
				t.Errorf("it took %d bytes", r.GetPeakMemory())
			}
		})
	}
}

// A body that does not fit ends like any other lack of memory.
func TestBodyThatDoesNotFit(t *testing.T) {
	w := bodyWorld(t)
	w.mustLoad(request("v", `async () => (await (await fetch('http://h/large')).bytes()).length`))
	if r := w.slot().invoke("v", `{}`); r.outcome() != outcome.Memory {
		t.Errorf("%v %v", r.outcome(), r.GetException())
	}
}

// With warm isolation, a body that is kept ends with its invocation.
func TestKeptBody(t *testing.T) {
	w := bodyWorld(t)
	r := request("v", `let kept; export default async () => {
		if (kept === undefined) { kept = await fetch('http://h/endless'); return 'kept' }
		const fresh = await fetch('http://h/pieces');
		try { await kept.text() } catch (e) { return [e.name, e.message, await fresh.text()] }
	}`)
	r.Warm = true
	w.mustLoad(r)
	s := w.slot()
	if got := s.invoke("v", `{}`); string(got.GetValue()) != `"kept"` {
		t.Fatalf("%s %v", got.GetValue(), got.GetException())
	}
	if got := s.invoke("v", `{}`); string(got.GetValue()) != `["TypeError","the stream ended with its invocation","onetwothree"]` {
		t.Errorf("%s %v", got.GetValue(), got.GetException())
	}
}

// Streams do not stand in for a promise that can settle, and many run at once.
func TestManyBodies(t *testing.T) {
	w := bodyWorld(t)
	w.mustLoad(request("v", `async () => {
		const all = await Promise.all(Array.from({ length: 50 }, () => fetch('http://h/pieces')));
		return (await Promise.all(all.map((r) => r.text()))).every((t) => t === 'onetwothree') && all.length;
	}`))
	r := w.slot().invoke("v", `{}`)
	if string(r.GetValue()) != "50" {
		t.Errorf("%s %v", r.GetValue(), r.GetException())
	}
	if n := w.count(ipc.StreamRead); n != 200 {
		t.Errorf("%d reads", n)
	}
}

// None of the controls is anything that JavaScript can name.
func TestControlsAreNotGlobals(t *testing.T) {
	w := bodyWorld(t)
	w.mustLoad(request("v", `() => ['stream', 'stream:read', 'hostStream', 'openStream', 'control', 'startCall'].filter((n) => n in globalThis)`))
	if r := w.slot().invoke("v", `{}`); string(r.GetValue()) != "[]" {
		t.Errorf("%s", r.GetValue())
	}
}

func BenchmarkBodyRead(b *testing.B) {
	benchmarkBody(b, `async (n) => {
	let got = 0; for await (const c of (await fetch('http://h/' + n)).body) got += c.length; return got }`)
}

func BenchmarkBodyWrite(b *testing.B) {
	benchmarkBody(b, `async (n) => {
	const piece = new Uint8Array(65536);
	const body = new ReadableStream({ pull(c) { if (n-- > 0) c.enqueue(piece); else c.close() } }, { highWaterMark: 0 });
	return (await fetch('http://h/sink', { method: 'POST', body, duplex: 'half' })).status }`)
}

// benchmarkBody moves b.N pieces in one invocation.
func benchmarkBody(b *testing.B, source string) {
	w := newWorld(b)
	w.apis = map[string]func([]json.RawMessage) (any, *sandboxpb.Exception){
		"fetch": func(args []json.RawMessage) (any, *sandboxpb.Exception) {
			answer := map[string]any{"status": 200, "headers": [][2]string{}}
			var init struct{ BodyStream *uint32 }
			if err := json.Unmarshal(args[1], &init); err != nil {
				b.Error(err)
			}
			if init.BodyStream != nil {
				_, _ = io.Copy(io.Discard, w.receiveStream(*init.BodyStream))
				return answer, nil
			}
			answer["bodyStream"] = w.sendStream(io.NopCloser(io.LimitReader(endless{}, int64(b.N)*65536)))
			return answer, nil
		},
	}
	w.mustLoad(request("v", source))
	s := w.slot()
	n, _ := json.Marshal(b.N)
	b.SetBytes(65536)
	b.ResetTimer()
	s.start("v", string(n), time.Hour)
	if r := s.finish(); r.outcome() != outcome.OK {
		b.Fatal(r.outcome(), r.GetException())
	}
}
