package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

func handler(t *testing.T, b gateway.Backend, o gateway.Options) http.Handler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	s, err := gateway.New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Handler()
}

type answer struct {
	*httptest.ResponseRecorder
	t *testing.T
}

// send makes one request. Headers come as name, value, name, value.
func send(t *testing.T, h http.Handler, method, target, body string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w, t}
}

type problem struct {
	Type, Title, Detail, Tenant, Function, Invocation, Remedy string
	Status                                                    int
	Problems                                                  []outcome.Problem
	Exception                                                 *outcome.Thrown
	Version, Start                                            string
	Logs                                                      []struct{ Level, Message string }
	PID                                                       int
}

func (a answer) problem(status int, kind string) problem {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	if ct := a.Header().Get("Content-Type"); ct != "application/problem+json" {
		a.t.Fatalf("Content-Type %q: %s", ct, a.Body)
	}
	var p problem
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		a.t.Fatalf("%v: %s", err, a.Body)
	}
	if p.Type != gateway.ProblemBase+kind || p.Status != status || p.Title == "" {
		a.t.Fatalf("type %q status %d title %q, want kind %s status %d", p.Type, p.Status, p.Title, kind, status)
	}
	return p
}

func (a answer) ok(status int) map[string]any {
	a.t.Helper()
	if a.Code != status {
		a.t.Fatalf("status %d, want %d: %s", a.Code, status, a.Body)
	}
	var v map[string]any
	if a.Body.Len() > 0 {
		if err := json.Unmarshal(a.Body.Bytes(), &v); err != nil {
			a.t.Fatalf("%v: %s", err, a.Body)
		}
	}
	return v
}

const jsText, jsonText = "text/javascript", "application/json"

func TestRoutes(t *testing.T) {
	f := newFake()
	h := handler(t, f, gateway.Options{})

	send(t, h, "GET", "/healthz", "").ok(200)
	send(t, h, "GET", "/readyz", "").ok(200)
	f.layers = []supervisor.Layer{{Name: "seccomp", Mode: "required", Active: true}, {Name: "landlock", Mode: "preferred", Detail: "the kernel does not offer it"}}
	if a := send(t, h, "GET", "/readyz", ""); !strings.Contains(a.Body.String(), `"degraded":[{"layer":"landlock","mode":"preferred","reason":"the kernel does not offer it"}]`) {
		t.Errorf("readyz: %s", a.Body)
	}
	if v := send(t, h, "GET", "/v1/tenants", "").ok(200); len(v["tenants"].([]any)) != 0 {
		t.Errorf("tenants: %v", v)
	}
	if v := send(t, h, "PUT", "/v1/tenants/acme", "").ok(201); v["policy"] != "compute" || v["tier"] != "default" {
		t.Errorf("defaults: %v", v)
	}
	if v := send(t, h, "PUT", "/v1/tenants/acme", `{"policy":"web","tier":"gold"}`, "Content-Type", jsonText).ok(200); v["policy"] != "web" || v["tier"] != "gold" {
		t.Errorf("settings: %v", v)
	}
	if v := send(t, h, "GET", "/v1/tenants/acme", "").ok(200); v["name"] != "acme" || v["policy"] != "web" {
		t.Errorf("tenant: %v", v)
	}
	send(t, h, "PUT", "/v1/tenants/acme/functions/f?memory=8MiB&timeout=300ms&cpu=50ms&concurrency=2&isolation=warm", "() => 1", "Content-Type", jsText).ok(201)
	if s := f.specs[0]; !reflect.DeepEqual(s, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "() => 1", Memory: 8 << 20, Timeout: 300 * time.Millisecond, CPU: 50 * time.Millisecond, Concurrency: 2, Isolation: supervisor.Warm}) {
		t.Errorf("spec from the query: %+v", s)
	}
	send(t, h, "PUT", "/v1/tenants/acme/functions/f", `{"code":"() => 2","memory":"1MiB","timeout":"2s","cpu":"75ms","concurrency":3,"isolation":"fresh"}`, "Content-Type", jsonText+"; charset=UTF-8").ok(200)
	if s := f.specs[1]; !reflect.DeepEqual(s, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "() => 2", Memory: 1 << 20, Timeout: 2 * time.Second, CPU: 75 * time.Millisecond, Concurrency: 3, Isolation: supervisor.Fresh}) {
		t.Errorf("spec from JSON: %+v", s)
	}
	send(t, h, "PUT", "/v1/tenants/acme/functions/f", `{"code":"() => 2","memory":1048576,"timeout":null}`, "Content-Type", jsonText).ok(200)
	if s := f.specs[2]; !reflect.DeepEqual(s, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "() => 2", Memory: 1 << 20}) {
		t.Errorf("spec with defaults: %+v", s)
	}
	if v := send(t, h, "GET", "/v1/tenants/acme/functions/f", "").ok(200); v["version"] != "v1" || v["memory"] != float64(1<<20) {
		t.Errorf("function: %v", v)
	}
	if v := send(t, h, "GET", "/v1/tenants/acme/functions", "").ok(200); len(v["functions"].([]any)) != 1 {
		t.Errorf("functions: %v", v)
	}
	if a := send(t, h, "DELETE", "/v1/tenants/acme/functions/f", ""); a.Code != 204 || a.Body.Len() != 0 {
		t.Errorf("delete: %d %s", a.Code, a.Body)
	}
	p := send(t, h, "GET", "/v1/tenants/acme/functions/f", "").problem(404, "not-found")
	if p.Tenant != "acme" || p.Function != "f" {
		t.Errorf("problem names %s/%s", p.Tenant, p.Function)
	}
	send(t, h, "DELETE", "/v1/tenants/acme/functions/f", "").problem(404, "not-found")
	send(t, h, "GET", "/v1/tenants/none/functions", "").problem(404, "not-found")
	send(t, h, "PUT", "/v1/tenants/none/functions/f", "x", "Content-Type", jsText).problem(404, "not-found")
	send(t, h, "POST", "/v1/tenants/acme/functions/f/invoke", "").problem(404, "not-found")

	f.ready = errors.New("secret reason")
	a := send(t, h, "GET", "/readyz", "")
	a.problem(503, "overloaded")
	if a.Header().Get("Retry-After") == "" || strings.Contains(a.Body.String(), "secret") {
		t.Errorf("readyz: %v %s", a.Header(), a.Body)
	}
	send(t, h, "GET", "/healthz", "").ok(200)
}

func TestInvokeAnswers(t *testing.T) {
	h := handler(t, newFake().withFunction(), gateway.Options{})
	const path = "/v1/tenants/t/functions/f/invoke"
	for _, c := range []struct{ event, want string }{
		{`{"a":1}`, `{"a":1}`}, {"", "null"}, {" [1] ", " [1] "}, {`"x"`, `"x"`},
	} {
		a := send(t, h, "POST", path, c.event, "Content-Type", jsonText)
		if a.Code != 200 || a.Body.String() != c.want || a.Header().Get("Content-Type") != jsonText {
			t.Errorf("event %q: %d %q %v", c.event, a.Code, a.Body, a.Header())
		}
		for name, want := range map[string]string{
			"Bulkhead-Invocation": "inv-1", "Bulkhead-Version": "v1",
			"Bulkhead-Receipt": "outcome=ok, start=cold, cause=process-evicted, wall=1.234, cpu=0.876, queued=2000.000, memory=1048576, calls=3, failed=1, denied=1, sent=8, received=9",
		} {
			if got := a.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	for _, c := range []struct{ target, accept string }{
		{path + "?detail=true", ""}, {path, gateway.DetailType}, {path, "text/html, " + gateway.DetailType + ";q=0.9"},
	} {
		a := send(t, h, "POST", c.target, "[7]", "Accept", c.accept)
		v := a.ok(200)
		log := v["logs"].([]any)[0].(map[string]any)
		if a.Header().Get("Content-Type") != gateway.DetailType || v["invocation"] != "inv-1" || v["pid"] != 42.0 ||
			v["duration_ms"] != 1.234 || v["cpu_ms"] != 0.876 || v["dropped_logs"] != 3.0 || v["start"] != "cold" || v["version"] != "v1" ||
			log["level"] != "warn" || log["message"] != "careful" || v["value"].([]any)[0] != 7.0 {
			t.Errorf("%v: %s", c, a.Body)
		}
	}
}

func TestEveryOutcomeHasItsProblem(t *testing.T) {
	thrown := &outcome.Thrown{Name: "RangeError", Message: "too far", Stack: "at f", Cause: &outcome.Thrown{Name: "Error", Message: "root"}}
	for _, o := range outcome.All() {
		if o == outcome.OK {
			continue
		}
		t.Run(o.String(), func(t *testing.T) {
			f := newFake().withFunction()
			f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
				return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "inv-9", Version: "v2"}, PID: 7, Logs: []supervisor.Log{{Message: "said"}}},
					&outcome.Error{
						Outcome: o, Tenant: "t", Function: "f", Detail: "what happened", Remedy: "do this", Exception: thrown,
						Problems: []outcome.Problem{{Field: "code", Reason: "bad", Line: 3, Column: 5}},
						Err:      errors.New("/secret/path"),
					}
			}
			h := handler(t, f, gateway.Options{})
			for _, detailed := range []bool{false, true} {
				target := "/v1/tenants/t/functions/f/invoke"
				if detailed {
					target += "?detail=true"
				}
				a := send(t, h, "POST", target, "")
				p := a.problem(o.HTTPStatus(), o.Problem())
				if p.Detail != "what happened" || p.Remedy != "do this" || p.Tenant != "t" || p.Function != "f" || p.Invocation != "inv-9" || p.Title != o.Title() {
					t.Errorf("%+v", p)
				}
				if len(p.Problems) != 1 || p.Problems[0].Line != 3 || p.Exception == nil || p.Exception.Cause.Message != "root" || p.Exception.Stack != "at f" {
					t.Errorf("%+v", p)
				}
				if strings.Contains(a.Body.String(), "secret") {
					t.Errorf("the cause leaked: %s", a.Body)
				}
				if a.Header().Get("Bulkhead-Invocation") != "inv-9" {
					t.Errorf("headers: %v", a.Header())
				}
				if got := a.Header().Get("Retry-After") != ""; got != (o == outcome.Overloaded) {
					t.Errorf("Retry-After: %v", a.Header())
				}
				if (len(p.Logs) == 1 && p.PID == 7 && p.Start == "warm") != detailed {
					t.Errorf("details: %+v", p)
				}
			}
		})
	}
}

func TestUntypedErrorsAreInternal(t *testing.T) {
	f := newFake().withFunction()
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
		return supervisor.Result{}, errors.New("secret")
	}
	h := handler(t, f, gateway.Options{})
	a := send(t, h, "POST", "/v1/tenants/t/functions/f/invoke", "")
	if a.problem(500, "internal"); strings.Contains(a.Body.String(), "secret") {
		t.Errorf("leaked: %s", a.Body)
	}
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) { panic("secret") }
	a = send(t, h, "POST", "/v1/tenants/t/functions/f/invoke", "")
	if a.problem(500, "internal"); strings.Contains(a.Body.String(), "secret") {
		t.Errorf("leaked: %s", a.Body)
	}
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
		return supervisor.Result{}, &outcome.Error{Outcome: outcome.Overloaded, RetryAfter: 1500 * time.Millisecond}
	}
	if a := send(t, h, "POST", "/v1/tenants/t/functions/f/invoke", ""); a.Header().Get("Retry-After") != "2" {
		t.Errorf("Retry-After: %v", a.Header())
	}
}

func TestRefusals(t *testing.T) {
	f := newFake().withFunction()
	h := handler(t, f, gateway.Options{MaxCode: 100, MaxEvent: 50})
	const fn, inv = "/v1/tenants/t/functions/f", "/v1/tenants/t/functions/f/invoke"
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		name, method, target, body, media string
		status                            int
		kind                              string
		fields                            string // of problems
	}{
		{"unknown route", "GET", "/nope", "", "", 404, "not-found", ""},
		{"unknown below v1", "GET", "/v1/tenants/t/nope", "", "", 404, "not-found", ""},
		{"wrong method", "POST", "/v1/tenants", "", "", 405, "invalid", ""},
		{"wrong method on invoke", "GET", inv, "", "", 405, "invalid", ""},
		{"tenant body no JSON", "PUT", "/v1/tenants/t", "{", jsonText, 400, "invalid", "body"},
		{"tenant body no object", "PUT", "/v1/tenants/t", "[]", jsonText, 400, "invalid", "body"},
		{"tenant body null", "PUT", "/v1/tenants/t", "null", jsonText, 400, "invalid", "body"},
		{"tenant body unknown and wrong", "PUT", "/v1/tenants/t", `{"tire":"x","policy":7}`, jsonText, 400, "invalid", "policy tire"},
		{"tenant body media", "PUT", "/v1/tenants/t", "{}", "text/plain", 415, "invalid", ""},
		{"deploy without type", "PUT", fn, "x", "", 415, "invalid", ""},
		{"deploy form", "PUT", fn, "x", "application/x-www-form-urlencoded", 415, "invalid", ""},
		{"deploy latin1", "PUT", fn, "x", "text/javascript; charset=latin1", 415, "invalid", ""},
		{"deploy bad type", "PUT", fn, "x", "text/", 415, "invalid", ""},
		{"deploy empty", "PUT", fn, "", jsText, 400, "invalid", "code"},
		{"deploy bad UTF-8", "PUT", fn, "\xff", jsText, 400, "invalid", "code"},
		{"deploy too large", "PUT", fn, long, jsText, 413, "too-large", ""},
		{"deploy too large in JSON", "PUT", fn, `{"code":"` + long + `"}`, jsonText, 413, "too-large", ""},
		{"deploy all wrong", "PUT", fn + "?memory=lots&timeout=-1s&cpu=much&concurrency=0&isolation=none&memori=1", "x", jsText, 400, "invalid", "concurrency cpu isolation memori memory timeout"},
		{"deploy twice", "PUT", fn + "?memory=1MiB&memory=2MiB", "x", jsText, 400, "invalid", "memory"},
		{"deploy comma", "PUT", fn + "?memory=1,5MiB", "x", jsText, 400, "invalid", "memory"},
		{"deploy JSON all wrong", "PUT", fn + "?memory=5MiB", `{"code":1,"memory":{},"timeout":5,"concurrency":1.5,"isolation":"x","y":1}`, jsonText, 400, "invalid", "memory code concurrency isolation memory timeout y"},
		{"deploy JSON no code", "PUT", fn, `{}`, jsonText, 400, "invalid", "code"},
		{"deploy JSON map is text", "PUT", fn, `{"code":"x","source_map":"{}"}`, jsonText, 400, "invalid", "source_map"},
		{"deploy JSON trailing", "PUT", fn, `{"code":"x"}{}`, jsonText, 400, "invalid", "body"},
		{"deploy JSON twice", "PUT", fn, `{"code":"x","memory":"1MiB","code":"y"}`, jsonText, 400, "invalid", "code"},
		{"deploy JSON twice in escapes", "PUT", fn, `{"code":"x","\u0063ode":"y"}`, jsonText, 400, "invalid", "code"},
		{"deploy JSON deep", "PUT", fn, `{"code":"x","source_map":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, jsonText, 400, "invalid", "body"},
		{"deploy JSON huge number", "PUT", fn, `{"code":"x","concurrency":1e999999999}`, jsonText, 400, "invalid", "concurrency"},
		{"deploy JSON negative", "PUT", fn, `{"code":"x","concurrency":-1,"memory":-5,"timeout":"-1s"}`, jsonText, 400, "invalid", "concurrency memory timeout"},
		{"deploy JSON __proto__", "PUT", fn, `{"code":"x","__proto__":{"policy":"dev"}}`, jsonText, 400, "invalid", "__proto__"},
		{"tenant JSON twice", "PUT", "/v1/tenants/t", `{"policy":"web","policy":"dev"}`, jsonText, 400, "invalid", "policy"},
		{"deploy bad query", "PUT", fn + "?memory=%zz", "x", jsText, 400, "invalid", ""},
		{"event no JSON", "POST", inv, "{\n a}", jsonText, 400, "invalid", "event"},
		{"event cut off", "POST", inv, "[1,", jsonText, 400, "invalid", "event"},
		{"event too large", "POST", inv, `"` + long + `"`, jsonText, 413, "too-large", ""},
		{"event media", "POST", inv, "1", "text/plain", 415, "invalid", ""},
		{"event query", "POST", inv + "?evnet=1", "1", jsonText, 400, "invalid", "evnet"},
		{"event detail", "POST", inv + "?detail=maybe", "1", jsonText, 400, "invalid", "detail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.media != "" {
				headers = []string{"Content-Type", c.media}
			}
			a := send(t, h, c.method, c.target, c.body, headers...)
			p := a.problem(c.status, c.kind)
			var fields []string
			for _, f := range p.Problems {
				fields = append(fields, f.Field)
				if f.Reason == "" {
					t.Errorf("no reason: %+v", f)
				}
			}
			if got := strings.Join(fields, " "); got != c.fields {
				t.Errorf("fields %q, want %q", got, c.fields)
			}
			if c.status == 405 && a.Header().Get("Allow") == "" {
				t.Errorf("no Allow header")
			}
		})
	}
	if len(f.specs) != 0 {
		t.Errorf("a refused deploy reached the backend: %+v", f.specs)
	}
	p := send(t, h, "POST", inv, "{\n a}", "Content-Type", jsonText).problem(400, "invalid")
	if p.Problems[0].Line != 2 || p.Problems[0].Column != 2 {
		t.Errorf("place of the fault: %+v", p.Problems[0])
	}
	send(t, h, "POST", inv, "1", "Content-Encoding", "gzip").problem(415, "invalid")
}

// What is told of a body is no larger than somebody would read.
func TestManyFaults(t *testing.T) {
	h := handler(t, newFake().withFunction(), gateway.Options{})
	var body strings.Builder
	body.WriteString(`{"code":"x"`)
	for i := range 20_000 {
		fmt.Fprintf(&body, `,"%d":1`, i)
	}
	body.WriteString(`,"` + strings.Repeat("k", 100_000) + `":1}`)
	a := send(t, h, "PUT", "/v1/tenants/t/functions/f", body.String(), "Content-Type", jsonText)
	if p := a.problem(400, "invalid"); len(p.Problems) != 100 || a.Body.Len() > 64<<10 {
		t.Errorf("%d problems in %d bytes", len(p.Problems), a.Body.Len())
	}
	a = send(t, h, "PUT", "/v1/tenants/t/functions/f", `{"code":"x","`+strings.Repeat("k", 100_000)+`":1}`, "Content-Type", jsonText)
	if a.problem(400, "invalid"); a.Body.Len() > 4<<10 {
		t.Errorf("a long name comes back in %d bytes", a.Body.Len())
	}
}

func TestCrossOriginWritesAreRefused(t *testing.T) {
	h := handler(t, newFake().withFunction(), gateway.Options{})
	const inv = "http://localhost/v1/tenants/t/functions/f/invoke"
	send(t, h, "POST", inv, "1", "Sec-Fetch-Site", "cross-site").problem(403, "invalid")
	send(t, h, "POST", inv, "1", "Origin", "http://evil.example").problem(403, "invalid")
	if a := send(t, h, "POST", inv, "1", "Origin", "http://localhost"); a.Code != 200 {
		t.Errorf("same origin: %d", a.Code)
	}
}

func TestOpenAPI(t *testing.T) {
	h := handler(t, newFake(), gateway.Options{Version: "1.2.3"})
	a := send(t, h, "GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string
		Info    struct{ Version string }
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(a.Body.Bytes(), &doc); err != nil || a.Code != 200 {
		t.Fatalf("%d %v", a.Code, err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Version != "1.2.3" {
		t.Errorf("%+v", doc)
	}
	for path, methods := range map[string]string{
		"/v1/tenants":                                      "get",
		"/v1/tenants/{tenant}":                             "delete get put",
		"/v1/tenants/{tenant}/functions":                   "get",
		"/v1/tenants/{tenant}/functions/{function}":        "delete get put",
		"/v1/tenants/{tenant}/functions/{function}/invoke": "post",
		versionsOf:                       "get",
		versionsOf + "/{version}":        "get",
		versionsOf + "/{version}/invoke": "post",
		functionOf + "/diff":             "get",
		functionOf + "/watch":            "post",
		functionOf + "/rollback":         "post",
		functionOf + "/aliases/{alias}":  "delete put",
		functionOf + "/split":            "delete put",
		"/v1/policies":                   "get", "/v1/audit": "get",
		"/v1/tenants/{tenant}/functions/{function}/recording": "delete put",
		"/v1/tenants/{tenant}/recordings":                     "get", "/v1/tenants/{tenant}/recordings/{recording}": "delete get",
		"/v1/tenants/{tenant}/recordings/{recording}/replay": "post", "/v1/usage": "get",
		"/v1/logs": "get", "/v1/stats": "get", "/v1/sandboxes": "get",
		"/healthz": "get", "/readyz": "get", "/v1/self": "get", "/v1/tenants/{tenant}/run": "post",
		"/v1/tenants/{tenant}/explain": "post",
	} {
		for _, m := range strings.Fields(methods) {
			op, ok := doc.Paths[path][m]
			if !ok || op.OperationID == "" || op.Responses["default"] == nil {
				t.Errorf("%s %s is not described: %+v", m, path, op)
			}
		}
		if len(doc.Paths[path]) != len(strings.Fields(methods)) {
			t.Errorf("%s: %v", path, doc.Paths[path])
		}
	}
	if len(doc.Paths) != 28 {
		t.Errorf("paths: %v", doc.Paths)
	}
	// Every reference leads somewhere.
	for _, part := range strings.Split(a.Body.String(), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("no schema %q", name)
		}
	}
	if _, err := io.ReadAll(a.Body); err != nil {
		t.Fatal(err)
	}
}
