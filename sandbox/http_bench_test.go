package sandbox

import (
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const benchRequest = `["GET","http://127.0.0.1:8421/a?n=1",true,0,"host\n127.0.0.1:8421\nx-forwarded-for\n127.0.0.1\nx-forwarded-proto\nhttp\nx-forwarded-prefix\n/web/f"]`

// BenchmarkHTTP is BenchmarkInvocation for handlers of HTTP requests.
func BenchmarkHTTP(b *testing.B) {
	for _, c := range []struct{ name, source string }{
		{"json", `export default { async fetch(request) {
			const url = new URL(request.url);
			return Response.json({ path: url.pathname, n: Number(url.searchParams.get('n')) + 1 });
		} }`},
		{"text", `export default { fetch: () => new Response('hello') }`},
		{"url", `export default { fetch: (request) => { new URL(request.url); return new Response('hello') } }`},
		{"params", `export default { fetch: (request) => { new URL(request.url).searchParams; return new Response('hello') } }`},
		{"plain", `export default (e) => { return { status: 200, headers: [], body: 'hello' } }`},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := benchVersion(b, c.source, false)
			inbox := newInbox()
			before := processorTime()
			for b.Loop() {
				inst, _, err := v.acquire()
				if err != nil {
					b.Fatal(err)
				}
				inv := &invocation{id: 1, version: v, inst: inst, inbox: inbox, http: c.name != "plain", send: func(*sandboxpb.FromSandbox) error { return nil }}
				if r := inv.run([]byte(benchRequest), time.Second, 0); outcome.Outcome(r.Outcome) != outcome.OK {
					b.Fatal(r)
				}
				v.release(inst)
			}
			b.ReportMetric(float64((processorTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
