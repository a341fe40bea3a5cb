package supervisor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
)

func TestPartCache(t *testing.T) {
	c := newPartCache(maxMaps, maxTenantMaps, sourcemap.Parse)
	// About 5 MB, parsed.
	large, err := sourcemap.Parse([]byte(`{"version":3,"sources":["a"],"mappings":"` + strings.Repeat("A,", 320_000) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	// get uses a map, and tells whether it had to be added.
	get := func(tenant, digest string) bool {
		key := partKey{tenant, digest}
		if _, ok := c.lookup(key); ok {
			return false
		}
		c.add(key, large)
		return true
	}
	if !get("quiet", "q") || get("quiet", "q") {
		t.Fatal("a map is not kept")
	}
	for i := range 20 {
		get("loud", fmt.Sprint(i))
	}
	if get("quiet", "q") {
		t.Error("one tenant's maps pushed out another's")
	}
	if get("loud", "19") || !get("loud", "0") {
		t.Error("it is not the oldest map that goes")
	}
	if c.tenants["loud"] > maxTenantMaps {
		t.Errorf("a tenant's maps take %d bytes", c.tenants["loud"])
	}
	for i := range 60 {
		get(fmt.Sprint("tenant", i), "m")
	}
	if c.size > maxMaps || len(c.entries) != c.recent.Len() || len(c.tenants) > len(c.entries) {
		t.Errorf("%d bytes, %d entries, %d in order, %d tenants", c.size, len(c.entries), c.recent.Len(), len(c.tenants))
	}

	failed := errors.New("no disk")
	if _, err := c.get(t.Context(), "x", "d", func(context.Context) ([]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	if _, err := c.get(t.Context(), "x", "d", func(context.Context) ([]byte, error) { return []byte("{"), nil }); err == nil {
		t.Error("a broken map was taken")
	}
}

// However many ask for a map at once, it is parsed once.
func TestPartCacheAtOnce(t *testing.T) {
	c := newPartCache(maxMaps, maxTenantMaps, sourcemap.Parse)
	var reads atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			m, err := c.get(context.Background(), "a", "d", func(context.Context) ([]byte, error) {
				reads.Add(1)
				return []byte(`{"version":3,"sources":["a"],"mappings":"AAAA"}`), nil
			})
			if err != nil || m == nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
}
