package gateway_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/value"
)

// An event in CBOR and a result in CBOR lose nothing; each can go with JSON.
func TestInvokeInCBOR(t *testing.T) {
	h := handler(t, newFake().withFunction(), gateway.Options{})
	const target = "/v1/tenants/t/functions/f/invoke"
	wire, err := value.Encode(value.NewObject("big", big.NewInt(1), "undefined", value.Undefined))
	if err != nil {
		t.Fatal(err)
	}
	coded, err := value.ToCBOR(wire)
	if err != nil {
		t.Fatal(err)
	}
	cycle := []any{nil}
	cycle[0] = cycle
	loop, err := value.Encode(cycle)
	if err != nil {
		t.Fatal(err)
	}
	codedLoop, err := value.ToCBOR(loop)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body, media, accept string
		status              int
		answer, want        string
	}{
		"both":         {string(coded), gateway.CBORType, gateway.CBORType, 200, gateway.CBORType, string(coded)},
		"in":           {string(coded), gateway.CBORType, "", 200, "application/json", `{"big":"1"}`},
		"out":          {`{"a":1}`, "application/json", "text/html, application/cbor;q=0.9", 200, gateway.CBORType, "\xa1\x61a\x01"},
		"out, refused": {`{"a":1}`, "application/json", "application/cbor;q=0", 200, "application/json", `{"a":1}`},
		"empty":        {"", gateway.CBORType, gateway.CBORType, 200, gateway.CBORType, "\xf6"},
		"broken":       {"\xff", gateway.CBORType, gateway.CBORType, 400, "application/problem+json", ""},
		"two items":    {"\x01\x01", gateway.CBORType, "", 400, "application/problem+json", ""},
		"cycle":        {string(codedLoop), gateway.CBORType, gateway.CBORType, 200, gateway.CBORType, string(codedLoop)},
		"cycle, JSON":  {string(codedLoop), gateway.CBORType, "", 500, "application/problem+json", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, h, "POST", target, c.body, "Content-Type", c.media, "Accept", c.accept)
			if a.Code != c.status || a.Header().Get("Content-Type") != c.answer || c.want != "" && a.Body.String() != c.want {
				t.Errorf("got %d %q %q", a.Code, a.Header().Get("Content-Type"), a.Body.String())
			}
			if c.status != 200 && !json.Valid(a.Body.Bytes()) {
				t.Errorf("got %q", a.Body.String())
			}
		})
	}
}
