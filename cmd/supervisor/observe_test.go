package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/client"
)

// What the commands show of a running supervisor.
func TestObserving(t *testing.T) {
	d := serveDaemon(t, "--data", t.TempDir())
	d.ok("tenant", "put", "acme")
	d.ok("deploy", "acme/f", write(t, "f.js", "export default e => {\n  console.warn('careful \\u001b[2J', e);\n  if (e < 0) throw new RangeError('too small')\n  return e }"))
	d.ok("invoke", "acme/f", "--event", "7")
	if c := d.run("invoke", "acme/f", "--event=-1"); c.exit != 1 {
		t.Fatalf("%+v", c)
	}
	logs := d.ok("logs", "acme")
	for _, want := range []string{"warn   acme/f", "careful [2J 7", "error  acme/f", "RangeError: too small", "f.js:3"} {
		if !strings.Contains(logs, want) {
			t.Errorf("%q is missing:\n%s", want, logs)
		}
	}
	if strings.Contains(logs, "\x1b") {
		t.Errorf("an escape character is in %q", logs)
	}
	var line client.LogLine
	if err := json.Unmarshal([]byte(d.ok("logs", "acme/f", "--json", "--level", "error", "--grep", "small", "--tail", "1")), &line); err != nil || line.Outcome != "exception" {
		t.Errorf("%+v, %v", line, err)
	}
	if got := d.ok("logs", "acme/f", "--grep", "nothing like it"); got != "" {
		t.Errorf("%q", got)
	}
	for _, args := range [][]string{{"logs", "nobody"}, {"logs", "acme/none"}, {"logs", "--level", "loud"}, {"logs", "a/b/c"}, {"top", "--sort", "size"}, {"top", "--interval", "1ms"}} {
		if c := d.run(args...); c.exit != 2 {
			t.Errorf("%q: exit %d %s", args, c.exit, c.stderr)
		}
	}
	top := d.ok("top")
	if row := regexp.MustCompile(`(?m)^acme +0\.\d +0\.\d .* 1 +0$`); !row.MatchString(top) {
		t.Errorf("top:\n%s", top)
	}
	var stats client.Stats
	if err := json.Unmarshal([]byte(d.ok("top", "--json", "--sort", "memory")), &stats); err != nil || len(stats.Tenants) != 1 || stats.Tenants[0].Errors != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	ps := d.ok("ps")
	if row := regexp.MustCompile(`(?m)^\d+ +idle +acme +\d+[smh] +\d+M .* 0 +1 +\d+$`); !row.MatchString(ps) {
		t.Errorf("ps:\n%s", ps)
	}
	// Every metric of serve is in the documentation.
	resp, err := http.Get(d.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (bulkhead_\w+) (\w+)$`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile("(?m)^\\| `" + m[1] + "[{`].* \\| " + m[2] + " \\|").Match(page) {
			t.Errorf("the table lacks %s, a %s", m[1], m[2])
		}
	}
}

// A trace goes from the caller, through the function, to the server that it
// fetches from, and its spans to the receiver.
func TestTracing(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	spans := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			t.Errorf("%q, %v", body, err)
		}
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					spans <- span.GetName()
				}
			}
		}
	}))
	defer receiver.Close()
	headers := make(chan http.Header, 1)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { headers <- r.Header }))
	defer target.Close()
	conf := write(t, "bulkhead.yaml", "tracing: {endpoint: '"+receiver.URL+"', ratio: 0}\nmetrics: {tenants: 5}\n")
	d := serveDaemon(t, "--data", t.TempDir(), "--config", conf)
	d.ok("tenant", "put", "acme", "--policy", "dev")
	d.ok("deploy", "acme/f", write(t, "f.js", `export default async url => {
		await fetch(url, {headers: {traceparent: "00-11111111111111111111111111111111-2222222222222222-01", tracestate: "forged=1", baggage: "own=1"}});
		throw new Error("after all") }`))
	r, err := http.NewRequest("POST", d.url+"/v1/tenants/acme/functions/f/invoke", strings.NewReader(`"`+target.URL+`"`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	r.Header.Set("Baggage", "secret=1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), `"trace":"`+trace+`"`) {
		t.Errorf("the problem: %s, %v", body, err)
	}
	h := <-headers
	if got := h.Get("Traceparent"); !strings.HasPrefix(got, "00-"+trace+"-") || strings.Contains(got, "b7ad6b7169203331") || h.Get("Tracestate") != "" || h.Get("Baggage") != "own=1" {
		t.Errorf("fetch sent %v", h)
	}
	if logs := d.ok("logs", "acme/f", "--json"); !strings.Contains(logs, `"trace":"`+trace+`"`) {
		t.Errorf("the log: %s", logs)
	}
	if code := d.end(); code != 0 { // which sends what is waiting
		t.Errorf("exit %d\n%s", code, d.stderr)
	}
	close(spans)
	got := make(map[string]bool)
	for name := range spans {
		got[name] = true
	}
	for _, want := range []string{"POST /v1/tenants/{tenant}/functions/{function}/invoke", "invocation", "run", "fetch"} {
		if !got[want] {
			t.Errorf("no span %q in %v", want, got)
		}
	}
	if got["PUT /v1/tenants/{tenant}"] {
		t.Error("a trace that began here was recorded, though the ratio is 0")
	}
	for conf, want := range map[string]string{"tracing: {endpoint: 'localhost:4318'}": "tracing.endpoint", "tracing: {endpoint: 'http://a', ratio: 2}": "tracing.ratio"} {
		c := supervise(t, "", "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--config", write(t, "bulkhead.yaml", conf))
		if c.exit != 2 || !strings.Contains(c.stderr, want) {
			t.Errorf("%s: exit %d %s", conf, c.exit, c.stderr)
		}
	}
}
