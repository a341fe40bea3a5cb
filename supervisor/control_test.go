package supervisor

import (
	"errors"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
)

// What host calls move is bounded in bytes and, as no piece is free, in number.
// To move all of it for real takes a minute.
func TestCount(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, times int }{
		"in":           {64 << 10, 0, 16384},
		"out":          {0, 64 << 10, 16384},
		"both":         {32 << 10, 32 << 10, 16384},
		"small pieces": {1, 0, 262144},
		"empty":        {0, 0, 262144},
	} {
		inv := &invocation{}
		for n := range tt.times {
			if err := inv.count("fetch", tt.from, tt.to); err != nil {
				t.Fatalf("%s: after %d: %v", name, n, err)
			}
		}
		var known *platform.Error
		if err := inv.count("fetch", 1, 0); !errors.As(err, &known) || known.Error() != "LimitError: fetch: an invocation can move at most 1073741824 bytes in and out" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
