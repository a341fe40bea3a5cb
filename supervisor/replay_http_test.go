package supervisor_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// password is what no recording may hold.
const password = "hunter2"

// recordHTTP deploys a function, has it answer one request with recording on, and
// returns the recording's id.
func recordHTTP(t *testing.T, s *supervisor.Supervisor, code string, body io.Reader) (id string, answer []byte) {
	t.Helper()
	deploy(t, s, "acme", "f", code, timeout(30*time.Second))
	if err := s.Record(t.Context(), "acme", "f", &supervisor.RecordSettings{Rate: 1, For: time.Hour}); err != nil {
		t.Fatal(err)
	}
	request := &supervisor.HTTPRequest{Method: "POST", Header: http.Header{
		"Authorization": {"Bearer " + password}, "Cookie": {"session=" + password}, "X-Api-Key": {password}, "X-Seen": {"yes"}}}
	if body != nil {
		request.Body = io.NopCloser(body)
	}
	r, end, err := serveHTTP(t.Context(), s, "f", request)
	if err == nil {
		defer r.Body.Close()
		if answer, err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
	}
	e := <-end
	eventually(t, "the recording is kept", func() bool {
		list, err := s.Recordings("acme", "f")
		return err == nil && len(list) > 0 && list[0].ID == e.result.Invocation
	})
	return e.result.Invocation, answer
}

// What answers an HTTP request is replayed with its body, streams and fetches, and
// nothing of what let the client in is kept.
func TestReplayHTTP(t *testing.T) {
	piece := strings.Repeat("0123456789", 30_000)
	fetched := bodies(func(r io.ReadCloser) any {
		defer r.Close()
		n, _ := io.Copy(io.Discard, r)
		return n
	}, func(path string) io.ReadCloser { return io.NopCloser(strings.NewReader(piece)) })
	s := openReal(t, apis(fetched))
	for name, tt := range map[string]struct {
		code    string
		body    string
		outcome outcome.Outcome
	}{
		"text":   {`export default { async fetch(r) { console.log(Date.now(), r.headers.get('x-seen')); return new Response(await r.text() + Math.random() + crypto.randomUUID(), { headers: { 'set-cookie': 'session=hunter2' } }) } }`, "body", outcome.OK},
		"echo":   {`export default { fetch: (r) => new Response(r.body, { headers: { 'set-cookie': 'session=hunter2' } }) }`, piece, outcome.OK},
		"large":  {`export default { fetch: () => new Response('x'.repeat(300000)) }`, "", outcome.OK},
		"events": {`export default { fetch() { let n = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise(d => setTimeout(d, Math.random() * 3)); c.enqueue(new TextEncoder().encode(n + ' ' + performance.now())); if (n++ == 5) c.close() } })) } }`, "", outcome.OK},
		"fetches": {`export default { async fetch(r) {
			const up = await fetch('https://up.example/', { method: 'POST', body: r.body, headers: { authorization: r.headers.get('authorization') }, duplex: 'half' });
			const down = await fetch('https://down.example/', { headers: [['Cookie', r.headers.get('cookie')]] });
			return new Response(down.body, { headers: { 'x-up': await up.text() } }) } }`, piece, outcome.OK},
		"later":          {`export default { fetch(r, env, ctx) { ctx.waitUntil(fetch('https://down.example/').then(r => r.text()).then(t => console.log(t.length))); return new Response('now') } }`, "", outcome.OK},
		"throws":         {`export default { async fetch(r) { throw new RangeError(await r.text() + Math.random()) } }`, "body", outcome.Exception},
		"cannot be sent": {`export default { fetch: () => new Response('', { headers: Array.from({ length: 500 }, (_, i) => ['x' + i, '1']) }) }`, "", outcome.Output},
		"no response":    {`export default ({ method, headers }) => [method, headers['x-seen']]`, "", outcome.OK},
	} {
		t.Run(name, func(t *testing.T) {
			var body io.Reader
			if tt.body != "" {
				body = strings.NewReader(tt.body)
			}
			id, _ := recordHTTP(t, s, tt.code, body)
			r, err := s.ReadRecording("acme", id)
			if err != nil {
				t.Fatal(err)
			}
			r.Code = ""
			kept, err := json.Marshal(r)
			for _, part := range [][]byte{kept, r.Event, r.Result} {
				if err != nil || bytes.Contains(part, []byte(password)) {
					t.Errorf("%v: the recording holds the password: %.3000s", err, part)
				}
			}
			for _, c := range r.Calls {
				if bytes.Contains(c.Data, []byte(password)) {
					t.Errorf("%s holds the password: %s", c.API, c.Data)
				}
			}
			if !r.HTTP || r.Truncated || r.Outcome != tt.outcome.String() || !bytes.Contains(r.Event, []byte(`"yes"`)) || !bytes.Contains(r.Event, []byte("[redacted]")) {
				t.Errorf("got %+v", r)
			}
			again, err := s.Replay(t.Context(), "acme", id, nil)
			if err != nil || !again.Same || outcome.Of(again.Err) != tt.outcome {
				t.Errorf("%+v, %v, %+v", again.Difference, again.Err, err)
			}
		})
	}
}

// What a fix answers is compared with what was answered.
func TestReplayHTTPOfChangedCode(t *testing.T) {
	s := openReal(t, nil)
	small, _ := recordHTTP(t, s, `export default { fetch: () => new Response('old', { status: 500 }) }`, nil)
	large, _ := recordHTTP(t, s, `export default { fetch: (r) => new Response(r.body, { status: 500 }) }`, strings.NewReader("body"))
	for _, tt := range []struct{ name, id, code, what, recorded, replayed string }{
		{"status", small, `export default { fetch: () => new Response('old') }`, "result", `"status":500`, `"status":200`},
		{"body", small, `export default { fetch: () => new Response('new', { status: 500 }) }`, "result", `"body":"old"`, `"body":"new"`},
		{"head of a stream", large, `export default { fetch: (r) => new Response(r.body) }`, "call", "http:respond(", "http:respond("},
		{"stream", large, `export default { fetch: async (r) => new Response((await r.text()).toUpperCase(), { status: 500 }) }`, "call", "stream:open(", "stream:read("},
	} {
		again, err := s.Replay(t.Context(), "acme", tt.id, &supervisor.ReplayCode{Code: tt.code})
		if err != nil {
			t.Fatal(err)
		}
		d := again.Difference
		if again.Same || d == nil || d.What != tt.what || !strings.Contains(d.Recorded, tt.recorded) || !strings.Contains(d.Replayed, tt.replayed) {
			t.Errorf("%s: got %+v, %v", tt.name, d, again.Err)
		}
	}
}

// A body that is more than a recording holds is compared as far as it is there.
func TestReplayHTTPIsBounded(t *testing.T) {
	s := openReal(t, nil)
	id, answer := recordHTTP(t, s, `export default { fetch: (r) => new Response(r.body) }`, bytes.NewReader(make([]byte, 6<<20)))
	again, err := s.Replay(t.Context(), "acme", id, nil)
	if err != nil || len(answer) != 6<<20 || !again.Recording.Truncated || !again.Same {
		t.Errorf("%d bytes, %+v, %v", len(answer), again, err)
	}
}

// Recording is kept with the function: it goes on after a restart.
func TestRecordingSurvivesARestart(t *testing.T) {
	cache, err := os.UserCacheDir() // the other tests' too
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	open := func() *supervisor.Supervisor {
		return openReal(t, func(o *supervisor.Options) { o.DataDir, o.CacheDir = dir, filepath.Join(cache, "bulkhead") })
	}
	s := open()
	first, _ := record(t, s, `() => 1`, "null")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	r, err := s.Invoke(t.Context(), "acme", "f", []byte("null"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second recording is kept", func() bool {
		list, err := s.Recordings("acme", "f")
		return err == nil && len(list) == 2 && list[0].ID == r.Invocation && list[1].ID == first
	})
	if err := s.Record(t.Context(), "acme", "f", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if _, err := s.Invoke(t.Context(), "acme", "f", []byte("null")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // it waits for what is being written
		t.Fatal(err)
	}
	s = open()
	if list, err := s.Recordings("acme", "f"); err != nil || len(list) != 2 {
		t.Errorf("%d recordings, %v", len(list), err)
	}
}
