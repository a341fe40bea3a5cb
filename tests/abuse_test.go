package tests

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// abuseConfig makes the quotas small enough to be met.
const abuseConfig = `
fetch: {max_body: 2MiB, max_concurrent: 4}
kv: {max_bytes: 256KiB, max_keys: 200}
storage: {max_bytes: 1MiB, max_objects: 50}
queue: {max_messages: 50, max_rate: 10000}
invoke: {max_depth: 4, max_calls: 20}
`

// tarpit is a server on loopback that treats its clients as badly as it can. It
// counts those that wait and what it has been sent.
type tarpit struct {
	*httptest.Server
	waiting, most, received, left atomic.Int64
}

func newTarpit(t *testing.T) *tarpit {
	p := &tarpit{}
	ctx, end := context.WithCancel(context.Background())
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fast":
			_, _ = io.WriteString(w, "fast")
		case "/wait": // until the client has gone
			n := p.waiting.Add(1)
			for old := p.most.Load(); n > old && !p.most.CompareAndSwap(old, n); old = p.most.Load() {
			}
			select {
			case <-r.Context().Done():
			case <-ctx.Done():
			}
			p.waiting.Add(-1)
			p.left.Add(1)
		case "/drip": // a byte now and then
			_ = http.NewResponseController(w).Flush()
			for r.Context().Err() == nil && ctx.Err() == nil {
				_, _ = io.WriteString(w, ".")
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Millisecond)
			}
			p.left.Add(1)
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for n := 0; n < 1<<30 && r.Context().Err() == nil; n += 1 << 16 {
				if _, err := z.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/sink":
			n, _ := io.Copy(io.Discard, r.Body)
			p.received.Add(n)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(func() {
		end()
		p.Close()
	})
	return p
}

// prepare makes a tenant with everything allowed and a function of it.
func prepare(d *daemon.Daemon, tenant, function, code, settings string) {
	d.T.Helper()
	if err := d.DeployWith(tenant, function, code, settings); err != nil {
		d.T.Fatal(err)
	}
}

// Whatever one tenant's functions do with the platform APIs is bounded, ends as
// it should, and a neighbour that uses the same APIs notices nothing.
func TestPlatformAbuse(t *testing.T) {
	d := daemon.Serve(t, daemon.Options{Config: abuseConfig})
	pit := newTarpit(t)
	prepare(d, "neighbour", "work", `async (n) => {
		await kv.put('n' + n % 10, n);
		await storage.put('o', 'object ' + n);
		if (n < 40) await queue.send('q', n);
		return [await kv.get('n' + n % 10), await (await storage.get('o')).text(), await (await fetch('`+pit.URL+`/fast')).text(), await invoke('twice', n)];
	}`, "timeout=20s&concurrency=4")
	prepare(d, "neighbour", "twice", `(n) => 2 * n`, "timeout=20s&concurrency=4")
	calls := 0
	neighbour := func() {
		t.Helper()
		calls++
		a, err := d.Invoke("neighbour", "work", fmt.Sprint(calls))
		if want := fmt.Sprintf(`[%d,"object %d","fast",%d]`, calls, calls, 2*calls); err != nil || a.Body != want {
			t.Errorf("the neighbour heard %s, %v; want %s", a.Body, err, want)
		}
	}
	neighbour()

	// caught tells how often f succeeded, and the name of what it ended with.
	const caught = `const caught = async (most, f) => { let n = 0; try { for (; n < most; n++) await f(n) } catch (e) { return [n, e.name] } return [n, 'no end'] };` + "\n"
	for _, tt := range []struct {
		name, code, settings string
		want                 string // what it returns, or the kind of its problem
		check                func(*testing.T)
	}{
		{"kv-get", `async () => { await kv.put('k', 1); return await caught(1e6, () => kv.get('k')) }`, "timeout=30s", `[9999,"LimitError"]`, nil},
		{"kv-get-for-ever", `async () => { for (;;) await kv.get('k').catch(() => {}) }`, "timeout=30s", "denied", nil},
		{"kv-get-at-once", `async () => (await Promise.allSettled(Array.from({ length: 12000 }, () => kv.get('k')))).filter((r) => r.status === 'rejected').length`, "timeout=30s&memory=64MiB", `2000`, nil},
		{"kv-full", `async () => await caught(1e6, (n) => kv.put('x' + n, 'y'.repeat(10000)))`, "timeout=30s", `[26,"QuotaExceededError"]`, nil},
		{"kv-keys", `async () => { for (let i = 0; i < 100; i++) await kv.delete('x' + i); return await caught(1e6, (n) => kv.put('k' + n, n)) }`, "timeout=30s", `[199,"QuotaExceededError"]`, nil},
		{"storage-full", `async () => await caught(1e6, (n) => storage.put('x' + n, 'y'.repeat(100000)))`, "timeout=30s", `[10,"QuotaExceededError"]`, nil},
		{"storage-stream", `async () => await caught(1, () => storage.put('s', new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(60000)) } })))`, "timeout=30s", `[0,"QuotaExceededError"]`, nil},
		{"queue-full", `async () => await caught(1e6, (n) => queue.send('q' + n, n))`, "timeout=30s", `[50,"QuotaExceededError"]`, nil},
		{"fetch-at-once", `async () => { await Promise.allSettled(Array.from({ length: 1000 }, () => fetch('` + pit.URL + `/wait'))) }`, "timeout=1s&memory=64MiB", "timeout", func(t *testing.T) {
			if n := pit.most.Load(); n > 4 || n < 1 {
				t.Errorf("%d requests at once", n)
			}
			daemon.Eventually(t, "the requests are given up", func() bool { return pit.waiting.Load() == 0 })
		}},
		{"fetch-slow", `async () => await (await fetch('` + pit.URL + `/drip')).text()`, "timeout=500ms", "timeout", func(t *testing.T) {
			before := pit.left.Load()
			daemon.Eventually(t, "the slow server is left", func() bool { return before > 0 || pit.left.Load() > 0 })
		}},
		{"fetch-bomb", `async () => await caught(1, async () => (await fetch('` + pit.URL + `/bomb')).body.pipeTo(new WritableStream()))`, "timeout=30s", `[0,"TypeError"]`, nil},
		{"fetch-upload", `async () => await caught(1, () => fetch('` + pit.URL + `/sink', { method: 'POST', duplex: 'half', body: new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(60000)) } }) }))`, "timeout=30s", `[0,"TypeError"]`, func(t *testing.T) {
			if n := pit.received.Load(); n > 4<<20 {
				t.Errorf("the server was sent %d bytes", n)
			}
		}},
		{"fetch-redirects", `async () => await caught(1, () => fetch('` + pit.URL + `/loop'))`, "timeout=30s", `[0,"TypeError"]`, nil},
		{"fetch-headers", `async () => await caught(1, () => fetch('` + pit.URL + `/fast', { headers: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => ['x-' + i, 'y'.repeat(600)])) }))`, "timeout=30s&memory=64MiB", `[0,"TypeError"]`, nil},
		{"streams", `async () => { const open = []; return await caught(1000, async () => { open.push((await fetch('` + pit.URL + `/drip')).body) }) }`, "timeout=500ms", "timeout", nil},
		{"invoke-self", `async (e) => { if (e?.deep > 5) return 'deep'; try { return await invoke('invoke-self', { deep: (e?.deep ?? 0) + 1 }) } catch (e) { if (e.name === 'LimitError') throw e; return e.name } }`, "timeout=30s&concurrency=16", `"FunctionError"`, nil},
		{"invoke-many", `async (e) => e === 'leaf' ? 1 : await caught(1000, () => invoke('invoke-many', 'leaf'))`, "timeout=30s&concurrency=16", `[20,"LimitError"]`, nil},
		{"log-lines", `() => { for (let i = 0; i < 1e5; i++) console.log('line', i); return 'said' }`, "timeout=30s", `"said"`, nil},
		{"log-line", `() => { console.log('x'.repeat(2e7)); return 'said' }`, "timeout=30s&memory=64MiB", `"said"`, nil},
		{"log-api", `async () => await caught(1e6, (n) => log('line', n))`, "timeout=30s", "", nil},
		{"clock", `() => { for (;;) { Date.now(); performance.now(); Math.random(); crypto.getRandomValues(new Uint8Array(65536)); crypto.randomUUID() } }`, "timeout=500ms", "timeout", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := tt.code
			prepare(d, "mallory", tt.name, caught+code, tt.settings)
			type reply struct {
				daemon.Answer
				err error
			}
			done := make(chan reply, 1)
			go func() {
				a, err := d.Do("POST", "/v1/tenants/mallory/functions/"+tt.name+"/invoke?detail=true", "application/json", "null")
				done <- reply{a, err}
			}()
			var r reply
			for waiting := true; waiting; {
				neighbour()
				select {
				case r = <-done:
					waiting = false
				default:
				}
			}
			var detail struct {
				Value       json.RawMessage
				Logs        []struct{ Message string }
				DroppedLogs int `json:"dropped_logs"`
			}
			if r.err != nil || json.Unmarshal([]byte(r.Body), &detail) != nil {
				t.Fatalf("%.300s, %v", r.Body, r.err)
			}
			if got := string(detail.Value); tt.want != "" && got != tt.want && r.Problem() != tt.want {
				t.Errorf("ended with %d %.600s; want %s", r.Status, r.Body, tt.want)
			}
			bytes := 0
			for _, l := range detail.Logs {
				bytes += len(l.Message)
			}
			if strings.HasPrefix(tt.name, "log-line") && (len(detail.Logs) == 0 || len(detail.Logs) > 1000 || bytes > 256<<10) {
				t.Errorf("%d lines of %d bytes, %d dropped", len(detail.Logs), bytes, detail.DroppedLogs)
			}
			if tt.name == "log-lines" && detail.DroppedLogs != 1e5-len(detail.Logs) {
				t.Errorf("%d lines and %d dropped", len(detail.Logs), detail.DroppedLogs)
			}
			if tt.check != nil {
				tt.check(t)
			}
		})
	}
	d.Stop()
}
