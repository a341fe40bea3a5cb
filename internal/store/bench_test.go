package store_test

import (
	"fmt"
	"testing"
)

func BenchmarkPutFunction(b *testing.B) {
	s := open(b, b.TempDir())
	putTenant(b, s, "acme")
	code := make([]byte, 16<<10)
	for i := 0; b.Loop(); i++ {
		copy(code, fmt.Sprintf("%020d", i))
		if _, err := replace(b.Context(), s, spec("acme", "f", "v1"), code, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFunction(b *testing.B) {
	s := open(b, b.TempDir())
	for t := range 20 {
		tenant := fmt.Sprint("t", t)
		putTenant(b, s, tenant)
		putFunction(b, s, tenant, "f", "v1", "code")
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Function("t7", "f"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCode(b *testing.B) {
	s := open(b, b.TempDir())
	putTenant(b, s, "acme")
	f := putFunction(b, s, "acme", "f", "v1", string(make([]byte, 16<<10)))
	for b.Loop() {
		if _, err := s.Code(b.Context(), "acme", f.Digest); err != nil {
			b.Fatal(err)
		}
	}
}
