package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// counter is an API whose answer is another each time, and which takes a little
// while, not always the same.
func counter(calls *atomic.Int64) platform.API {
	return platform.API{Name: "count", Func: func(ctx context.Context, c *platform.Call) (any, error) {
		n := calls.Add(1)
		select {
		case <-time.After(time.Duration(n*7%5) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if n%4 == 0 {
			return nil, platform.Errorf("RangeError", "%d is enough", n)
		}
		return n, nil
	}}
}

const wild = `export default async (event) => {
	const seen = [event, Math.random(), Date.now(), crypto.randomUUID(), performance.now(), [...crypto.getRandomValues(new Uint8Array(4))], new Date().toISOString()];
	const tick = (ms) => new Promise(done => setTimeout(done, ms));
	const one = async (n) => {
		try { await tick(Math.random() * 4); seen.push([n, await count(n, seen.length), Date.now()]) }
		catch (e) { seen.push([n, String(e), performance.now()]) }
	};
	await Promise.race([tick(5), Promise.all([1, 2, 3, 4, 5, 6].map(one))]);
	for (const end = Date.now() + 3; Date.now() < end;);
	console.log("seen", seen.length, Math.random());
	await tick(2);
	return seen }`

// record deploys a function, invokes it once with recording on, and returns the
// recording's id.
func record(t *testing.T, s *supervisor.Supervisor, code string, event string) (id string, r supervisor.Result) {
	t.Helper()
	deploy(t, s, "acme", "f", code)
	if err := s.Record(t.Context(), "acme", "f", &supervisor.RecordSettings{Rate: 1, For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	r, _ = s.Invoke(t.Context(), "acme", "f", []byte(event))
	eventually(t, "the recording is kept", func() bool {
		list, err := s.Recordings("acme", "f")
		return err == nil && len(list) > 0 && list[0].ID == r.Invocation
	})
	return r.Invocation, r
}

// Whatever a function sees of chance, time and order, a replay sees again, and
// no API is called.
func TestReplayTakesTheSameCourse(t *testing.T) {
	var calls atomic.Int64
	s := openReal(t, apis(counter(&calls)))
	for n := range 5 {
		id, recorded := record(t, s, wild, fmt.Sprint(n))
		made := calls.Load()
		for range 3 {
			again, err := s.Replay(t.Context(), "acme", id, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !again.Same || again.Difference != nil || string(again.Result.Wire) != string(recorded.Wire) || again.Recording.Truncated {
				t.Errorf("%+v\nrecorded %s\nreplayed %s", again.Difference, recorded.Wire, again.Result.Wire)
			}
		}
		if calls.Load() != made {
			t.Error("a replay called an API")
		}
	}
}

// Changed code runs on the recorded effects, and the first difference is told.
func TestReplayOfChangedCode(t *testing.T) {
	var calls atomic.Int64
	s := openReal(t, apis(counter(&calls)))
	id, r := record(t, s, `export default async () => { const a = await count("a"); console.log("a is", a); throw new TypeError("broken " + await count("b")) }`, "null")
	if r.Outcome != outcome.Exception {
		t.Fatalf("%+v", r)
	}
	again, err := s.Replay(t.Context(), "acme", id, nil)
	if err != nil || !again.Same || outcome.Of(again.Err) != outcome.Exception {
		t.Fatalf("%+v, %v", again, err)
	}
	for _, tt := range []struct {
		name, code string
		want       supervisor.Divergence
		unanswered int
		value      string
		at         string
	}{
		{"mended", `export default async () => { const a = await count("a"); console.log("a is", a); return [a, await count("b")] }`,
			supervisor.Divergence{What: "outcome", Recorded: "exception: TypeError: broken 2", Replayed: "ok"}, 0, "[1,2]", ""},
		{"other order", `export default async () => { const b = await count("b"); return [await count("a"), b] }`,
			supervisor.Divergence{What: "call", Recorded: `count("a")`, Replayed: `count("b")`}, 0, "[1,2]", "f.js:1:45"},
		{"other log", `export default async () => { const a = await count("a"); console.log("a was", a); throw new TypeError("broken " + await count("b")) }`,
			supervisor.Divergence{What: "log", Recorded: "INFO a is 1", Replayed: "INFO a was 1"}, 0, "", ""},
		{"one more", `export default async () => { const a = await count("a"); console.log("a is", a); await count("b"); try { await count("c") } catch (e) { return e.name } }`,
			supervisor.Divergence{What: "call", Index: 2, Replayed: `count("c")`}, 1, `"ReplayError"`, "f.js:1:111"},
		{"throws", "export default async () => { const a = await count('a');\n  throw new RangeError('early') }",
			supervisor.Divergence{What: "call", Index: 1, Recorded: `count("b")`}, 0, "", "f.js:2:13"},
		{"one less", `export default async () => { const a = await count("a"); console.log("a is", a); setTimeout(() => {}, 1e6); return a }`,
			supervisor.Divergence{What: "call", Index: 1, Recorded: `count("b")`}, 0, "1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			again, err := s.Replay(t.Context(), "acme", id, &supervisor.ReplayCode{Code: tt.code})
			if err != nil {
				t.Fatal(err)
			}
			tt.want.At = tt.at
			if again.Same || again.Difference == nil || *again.Difference != tt.want || again.Unanswered != tt.unanswered || string(again.Result.Wire) != tt.value {
				t.Errorf("%+v, unanswered %d, value %s, %v", again.Difference, again.Unanswered, again.Result.Wire, again.Err)
			}
		})
	}
	if _, err := s.Replay(t.Context(), "acme", id, &supervisor.ReplayCode{Code: "("}); outcome.Of(err) == outcome.OK {
		t.Error("code that cannot be loaded was replayed")
	}
	if calls.Load() != 2 {
		t.Errorf("%d calls reached the API", calls.Load())
	}
}

func TestRecordingIsBounded(t *testing.T) {
	large := platform.API{Name: "large", Func: func(context.Context, *platform.Call) (any, error) { return strings.Repeat("x", 1<<20), nil }}
	s := openReal(t, apis(large))
	id, _ := record(t, s, `export default async () => { let n = 0; for (let i = 0; i < 6; i++) n += (await large()).length; return n }`, "null")
	again, err := s.Replay(t.Context(), "acme", id, nil)
	if err != nil || !again.Recording.Truncated || !again.Same || len(again.Recording.Calls) > 5 {
		t.Errorf("%+v, %v", again, err)
	}
	deploy(t, s, "acme", "warm", `export default () => 1`, func(f *supervisor.FunctionSpec) { f.Isolation = supervisor.Warm })
	for _, set := range []supervisor.RecordSettings{{Rate: 0, For: time.Hour}, {Rate: 2, For: time.Hour}, {Rate: 1}, {Rate: 1, For: 1000 * time.Hour}} {
		wantOutcome(t, s.Record(t.Context(), "acme", "f", &set), outcome.Invalid)
	}
	wantOutcome(t, s.Record(t.Context(), "acme", "warm", &supervisor.RecordSettings{Rate: 1, For: time.Hour}), outcome.Invalid)
	wantOutcome(t, s.Record(t.Context(), "acme", "none", nil), outcome.NotFound)
	if err := s.Record(t.Context(), "acme", "f", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRecording("acme", id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadRecording("acme", id); outcome.Of(err) != outcome.NotFound {
		t.Error(err)
	}
	if _, err := s.Replay(t.Context(), "other", id, nil); outcome.Of(err) != outcome.NotFound {
		t.Error(err)
	}
}
