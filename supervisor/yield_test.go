package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// Processes of two tenants that compute stand behind others on the processors,
// until one is alone.
func TestComputingYields(t *testing.T) {
	if _, err := os.Stat("/proc/self/autogroup"); err != nil {
		t.Skip("the kernel does not share between sessions")
	}
	s := open(t, func(o *supervisor.Options) { o.Grace = 10 * time.Millisecond })
	var running sync.WaitGroup
	defer running.Wait()
	ends := make(map[string]context.CancelFunc)
	pids := make(map[string]string)
	for _, tenant := range []string{"acme", "globex"} {
		deploy(t, s, tenant, "pid", "pid", timeout(20*time.Second))
		deploy(t, s, tenant, "spin", "spin", timeout(30*time.Second))
		r, err := s.Invoke(t.Context(), tenant, "pid", nil)
		if err != nil {
			t.Fatal(err)
		}
		pids[tenant] = strconv.Itoa(r.PID)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ends[tenant] = cancel
		running.Go(func() { _, _ = s.Invoke(ctx, tenant, "spin", nil) })
	}
	awaitLevel := func(tenant, level string) {
		t.Helper()
		eventually(t, fmt.Sprintf("the process of %s has the nice level %s", tenant, level), func() bool {
			text, err := os.ReadFile("/proc/" + pids[tenant] + "/autogroup")
			return err == nil && strings.HasSuffix(string(text), " nice "+level+"\n")
		})
	}
	awaitLevel("acme", "19")
	awaitLevel("globex", "19")
	ends["acme"]()
	awaitLevel("globex", "0")
	ends["globex"]()
}
