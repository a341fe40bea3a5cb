package gateway_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
)

// The stream begins at once, and ends with the client or with the server.
func TestFollowAudit(t *testing.T) {
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
	url := "http://" + ln.Addr().String() + "/v1/audit"

	read := func(query string) (*http.Response, *bufio.Reader) {
		t.Helper()
		resp, err := http.Get(url + query)
		if err != nil {
			t.Fatal(err)
		}
		return resp, bufio.NewReader(resp.Body)
	}
	first, lines := read("?tenant=acme&action=deny")
	line, err := lines.ReadString('\n')
	if err != nil || first.Header.Get("Content-Type") != gateway.LinesType || line != `{"Tenant":"acme","Function":"","API":"","Action":"deny"}`+"\n" {
		t.Errorf("%v %q %v", first.Header, line, err)
	}
	if err := first.Body.Close(); err != nil {
		t.Error(err)
	}
	second, lines := read("")
	if _, err := lines.ReadString('\n'); err != nil {
		t.Error(err)
	}
	stop()
	if _, err := lines.ReadString('\n'); err == nil {
		t.Error("the stream went on after the server's end")
	}
	second.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestFollowAuditRefusals(t *testing.T) {
	for query, want := range map[string]string{"?tenantt=acme": "tenantt", "?tenant=a&tenant=b": "more than once", "?action=alow": "none of allow, deny"} {
		a := send(t, handler(t, newFake(), gateway.Options{}), "GET", "/v1/audit"+query, "")
		if a.Code != http.StatusBadRequest || !strings.Contains(a.Body.String(), want) {
			t.Errorf("%s: %d %s", query, a.Code, a.Body)
		}
	}
}
