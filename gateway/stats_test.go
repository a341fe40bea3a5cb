package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
)

func TestStats(t *testing.T) {
	type body struct {
		All     struct{ Rate float64 }
		Tenants []struct {
			Tenant string
			P99    float64 `json:"p99_ms"`
		}
		More      int
		Sandboxes struct{ Processes, Spare, Max int }
	}
	for query, want := range map[string]string{
		"": "cba", "?sort=rate": "cba", "?sort=errors": "cab", "?sort=p99": "abc", "?sort=memory": "abc",
		"?sort=cpu": "bac", "?sort=cold": "cab", "?sort=kills": "bac", "?sort=tenant": "abc", "?sort=tenant&limit=1": "a", "?limit=0": "",
	} {
		a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/stats"+query, "")
		var b body
		if err := json.Unmarshal(a.Body.Bytes(), &b); err != nil || a.Code != 200 {
			t.Fatalf("%s: %d %s", query, a.Code, a.Body)
		}
		got := ""
		for _, tenant := range b.Tenants {
			got += tenant.Tenant
		}
		if got != want || b.More != 3-len(want) || b.All.Rate != 6 || b.Sandboxes.Processes != 3 {
			t.Errorf("%s: %q, %+v; want %q", query, got, b, want)
		}
	}
	for _, query := range []string{"?sort=size", "?limit=1001", "?limit=-1", "?limit=x"} {
		if a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/stats"+query, ""); a.Code != 400 || !strings.Contains(a.Body.String(), `"field"`) {
			t.Errorf("%s: %d %s", query, a.Code, a.Body)
		}
	}
	a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/sandboxes", "")
	if want := `{"pid":42,"state":"idle","tenant":"a",`; a.Code != 200 || !strings.Contains(a.Body.String(), want) || !strings.Contains(a.Body.String(), `"cpu_seconds":1.5`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

func TestLogsQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                            "{Tenant: Function: Level:DEBUG Outcome: Since:0001-01-01 00:00:00 +0000 UTC Tail:-1 Grep:<nil> Follow:false}",
		"?tenant=acme&function=f":     "Tenant:acme Function:f",
		"?level=warn&tail=10":         "Level:WARN Outcome: Since:0001-01-01 00:00:00 +0000 UTC Tail:10",
		"?since=2026-01-02T03:04:05Z": "Since:2026-01-02 03:04:05 +0000 UTC",
		"?grep=a%2Bb":                 "Grep:a+b",
		"?outcome=deadline":           "Outcome:deadline",
		"?outcome=failed":             "Outcome:failed",
	} {
		a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/logs"+query, "")
		if a.Code != 200 || !strings.Contains(a.Body.String(), want) || a.Header().Get("Content-Type") != gateway.LinesType {
			t.Errorf("%s: %d %s", query, a.Code, a.Body)
		}
	}
	for query, want := range map[string]string{
		"?tenantt=acme": "tenantt", "?tenant=a&tenant=b": "more than once", "?level=loud": "none of debug", "?outcome=ok": "is none of failed, internal, exception",
		"?since=yesterday": "neither a time", "?since=-5m": "neither a time", "?tail=-1": "not a number of lines", "?grep=(": "missing closing",
		"?grep=" + strings.Repeat("a", 1025): "1025 bytes", "?follow=maybe": "neither true", "?function=f": "needs a tenant",
	} {
		a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/logs"+query, "")
		if a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s: %d %s", query, a.Code, a.Body)
		}
	}
	if a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/logs?tenant=nobody", ""); a.Code != http.StatusNotFound {
		t.Errorf("an unknown tenant: %d %s", a.Code, a.Body)
	}
}

// Whoever follows the logs is let go when the server ends.
func TestFollowLogs(t *testing.T) {
	g, err := gateway.New(newFake(), gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/v1/logs?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "Follow:true") {
		t.Errorf("%q %v", line, err)
	}
	stop()
	if _, err := lines.ReadString('\n'); err == nil {
		t.Error("the stream went on")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
