package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// unread fails a test in which it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("a body was read before its request was let in")
	return 0, io.EOF
}

func TestTenantsRate(t *testing.T) {
	f := newFake().withFunction()
	f.limits = supervisor.Limits{Rate: 0.5, Burst: 3, MaxInflight: 10}
	f.tenants["u"], f.functions["u/f"] = supervisor.Tenant{Name: "u"}, supervisor.Function{Tenant: "u", Function: "f"}
	h := handler(t, f, gateway.Options{})
	for left := 2; left >= 0; left-- {
		a := send(t, h, "POST", invokeTarget, "1")
		if got := a.Header().Get("RateLimit-Policy"); a.Code != 200 || got != `"tenant";q=3;w=6` {
			t.Fatalf("%d, RateLimit-Policy %s", a.Code, got)
		}
		if got, want := a.Header().Get("RateLimit"), fmt.Sprintf(`"tenant";r=%d;t=%d`, left, 2*(3-left)); got != want {
			t.Errorf("RateLimit %s, want %s", got, want)
		}
	}
	r := httptest.NewRequest("POST", invokeTarget, unread{t})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	p := answer{w, t}.problem(429, "limited")
	if p.Tenant != "t" || p.Function != "f" || !strings.Contains(p.Detail, "30/m") || p.Remedy == "" || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Header().Get("RateLimit"), `r=0`) {
		t.Errorf("%+v, %v", p, w.Header())
	}
	send(t, h, "POST", strings.Replace(invokeTarget, "/t/", "/u/", 1), "1").ok200(t)
	send(t, h, "POST", strings.Replace(invokeTarget, "/t/", "/nobody/", 1), "1").problem(404, "not-found")
	if !strings.Contains(send(t, h, "GET", "/metrics", "").Body.String(), "bulkhead_requests_limited_total 1") {
		t.Error("it is not counted")
	}
	// Another limit holds at once.
	f.limits = supervisor.Limits{MaxInflight: 10}
	if a := send(t, h, "POST", invokeTarget, "1"); a.Code != 200 || a.Header().Get("RateLimit") != "" {
		t.Errorf("%d, %v", a.Code, a.Header())
	}
}

func (a answer) ok200(t *testing.T) {
	t.Helper()
	if a.Code != 200 {
		t.Errorf("%d: %s", a.Code, a.Body)
	}
}

// What a token may not send costs its tenant nothing.
func TestTokensRate(t *testing.T) {
	f, store := newFake().withFunction(), tokenStore(t)
	f.limits = supervisor.Limits{Rate: 1, Burst: 3, MaxInflight: 10}
	f.tenants["t"] = supervisor.Tenant{Name: "t", Created: since}
	h := handler(t, f, gateway.Options{Tokens: store})
	_, slow, err := store.Create(tokens.Token{Name: "slow", Scopes: []tokens.Scope{tokens.TenantInvoke}, Tenant: "t", TenantSince: since, Rate: 0.001, Burst: 1}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	fast := issue(t, store, "fast", "t", tokens.TenantInvoke)
	ask := func(token string) answer {
		return send(t, h, "POST", invokeTarget, "1", "Authorization", "Bearer "+token)
	}
	if a := ask(slow); a.Code != 200 || a.Header().Get("RateLimit") != `"token";r=0;t=1000, "tenant";r=2;t=1` {
		t.Errorf("%d, %v", a.Code, a.Header())
	}
	for range 5 {
		if p := ask(slow).problem(429, "limited"); !strings.Contains(p.Detail, "token") {
			t.Errorf("%+v", p)
		}
	}
	ask(fast).ok200(t)
	ask(fast).ok200(t)
	if p := ask(fast).problem(429, "limited"); !strings.Contains(p.Detail, "tenant") {
		t.Errorf("%+v", p)
	}
}

func TestInvocationsUnderWay(t *testing.T) {
	f := newFake().withFunction()
	f.limits.MaxInflight = 2
	entered, release := make(chan struct{}, 2), make(chan struct{})
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
		entered <- struct{}{}
		<-release
		return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i"}, Value: json.RawMessage("1")}, nil
	}
	h := handler(t, f, gateway.Options{})
	done := make(chan int, 2)
	for range 2 {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", invokeTarget, strings.NewReader("1")))
			done <- w.Code
		}()
	}
	<-entered
	<-entered
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", invokeTarget, unread{t}))
	if p := (answer{w, t}).problem(429, "limited"); !strings.Contains(p.Detail, "2 invocations") || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%+v, %v", p, w.Header())
	}
	close(release)
	for range 2 {
		if code := <-done; code != 200 {
			t.Errorf("one under way got %d", code)
		}
	}
	send(t, h, "POST", invokeTarget, "1").ok200(t)
}

// All bodies together have their room, which comes back with the answer; a
// length that is only promised takes none.
func TestRoomForBodies(t *testing.T) {
	f := newFake().withFunction()
	entered, release := make(chan struct{}), make(chan struct{})
	f.invoke = func(context.Context, json.RawMessage) (supervisor.Result, error) {
		entered <- struct{}{}
		<-release
		return supervisor.Result{Receipt: supervisor.Receipt{Invocation: "i"}, Value: json.RawMessage("1")}, nil
	}
	addr, _ := serve(t, f, gateway.Options{MaxBodies: 1000})
	event := `"` + strings.Repeat("a", 598) + `"`
	promised, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer promised.Close()
	fmt.Fprintf(promised, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n", invokeTarget)
	post := func() int {
		resp, err := http.Post("http://"+addr+invokeTarget, jsonText, strings.NewReader(event))
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	first := make(chan int, 1)
	go func() { first <- post() }()
	<-entered
	if got := post(); got != 503 {
		t.Errorf("without room: %d", got)
	}
	close(release)
	if got := <-first; got != 200 {
		t.Errorf("the first: %d", got)
	}
	go func() { <-entered }()
	if got := post(); got != 200 {
		t.Errorf("when there is room again: %d", got)
	}
}

// One connection too many is closed, and counted; when another ends there is
// room again.
func TestConnectionsAreBounded(t *testing.T) {
	addr, _ := serve(t, newFake(), gateway.Options{MaxConnections: 3})
	var conns []net.Conn
	answers := func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		return err == nil
	}
	for n := range 3 {
		if !answers() {
			t.Fatalf("connection %d was closed", n)
		}
	}
	if answers() {
		t.Error("the fourth was answered")
	}
	conns[0].Close()
	for deadline := time.Now().Add(10 * time.Second); !answers(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is no room again")
		}
	}
	for _, c := range conns {
		c.Close()
	}
}

// Headers without end, and without haste, are cut off while others are served.
func TestHeaderBombs(t *testing.T) {
	addr, _ := serve(t, newFake(), gateway.Options{})
	for name, request := range map[string]string{
		"one long": "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"many":     "GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: a\r\n", 12_000) + "\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go fmt.Fprint(conn, request) // it may be cut off
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		head := make([]byte, 32)
		n, err := io.ReadFull(conn, head)
		if err != nil && n == 0 || !strings.Contains(string(head[:n]), "431") {
			t.Errorf("%s: %q, %v", name, head[:n], err)
		}
	}
	resp, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{"100/s": 100, "30/m": 0.5, "3600/h": 1, "0.5/s": 0.5} {
		if got, err := gateway.ParseRate(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "100", "/s", "-1/s", "0/s", "NaN/s", "Inf/s", "1e9/s", "1/d"} {
		if got, err := gateway.ParseRate(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	for rate, want := range map[float64]string{0: "", 100: "100/s", 0.5: "30/m", 1.0 / 3600: "1/h"} {
		if got := gateway.FormatRate(rate); got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
}
