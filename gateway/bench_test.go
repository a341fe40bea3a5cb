package gateway_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/gateway"
)

// What the gateway itself costs an invocation, without the network and the
// sandbox.
func BenchmarkInvoke(b *testing.B) {
	s, err := gateway.New(newFake().withFunction(), gateway.Options{})
	if err != nil {
		b.Fatal(err)
	}
	h := s.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", invokeTarget, strings.NewReader(`{"userId":1}`))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
