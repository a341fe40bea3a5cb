package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform/queue"
	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// writer puts what it is told to, one after the other, and says how far it came;
// with read, it says what is there.
const writer = `export default async ({ from, n, read }) => {
	if (read) {
		const keys = {};
		for (let cursor; ;) {
			const page = await kv.list({ prefix: 'k', limit: 1000, cursor });
			for (const { key } of page.keys) keys[key] = await kv.get(key);
			if (!(cursor = page.cursor)) return keys;
		}
	}
	for (let i = from; i < from + n; i++) {
		await kv.put('k' + i, 'v' + i);
		await queue.send('q', i);
		await storage.put('o' + i % 10, String(i));
	}
	return from + n;
}`

// kill -9 of the supervisor while functions write: whatever was acknowledged is
// there after the restart, over many restarts, in kv, in queues and in storage.
func TestAcknowledgedWritesOutliveKill(t *testing.T) {
	t.Parallel()
	const callers, batch = 4, 5
	puts := 1000
	if lasting(t, 0) > 0 {
		puts = 20_000
	}
	data, temp := t.TempDir(), daemon.ShortDir(t)
	known := make([]int, callers) // each caller's: so many were acknowledged
	tenant := func(caller int) string { return fmt.Sprint("writer-", caller) }
	total := func() (n int) {
		for _, k := range known {
			n += k
		}
		return n
	}
	kills := 0
	for ; total() < puts; kills++ {
		d := daemon.Serve(t, daemon.Options{Data: data, Temp: temp, Config: "spares: 1\nqueue: {max_messages: 1000000}"})
		if kills == 0 {
			daemon.InParallel(t, callers, func(n int) error { return d.DeployWith(tenant(n), "f", writer, "timeout=30s&memory=64MiB") })
		}
		before := total()
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for {
					a, err := d.Invoke(tenant(caller), "f", fmt.Sprintf(`{"from":%d,"n":%d}`, known[caller], batch))
					if err != nil {
						return // the supervisor is dead
					}
					if a.Status != http.StatusOK || a.Body != fmt.Sprint(known[caller]+batch) {
						t.Errorf("%d %s", a.Status, a.Body)
						return
					}
					known[caller] += batch
				}
			})
		}
		time.Sleep(300*time.Millisecond + rand.N(time.Second)) // the moment of the kill is what varies
		d.Kill()
		all.Wait()
		if t.Failed() {
			t.FailNow()
		}
		if kills > 200 && total() == before {
			t.Fatal("nothing is acknowledged any more")
		}
	}
	d := daemon.Serve(t, daemon.Options{Data: data, Temp: temp, Config: "spares: 1\nqueue: {max_messages: 1000000}"})
	lost := 0
	for caller, acknowledged := range known {
		a, err := d.Invoke(tenant(caller), "f", `{"read":true}`)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %.300s %v", a.Status, a.Body, err)
		}
		keys := map[string]string{}
		decode(t, a.Body, &keys)
		for i := range acknowledged {
			if keys[fmt.Sprint("k", i)] != fmt.Sprint("v", i) {
				lost++
				t.Errorf("%s: k%d is %q", tenant(caller), i, keys[fmt.Sprint("k", i)])
			}
		}
	}
	t.Logf("%d kills, %d acknowledged puts, %d lost", kills, total(), lost)
	d.Stop()
	if slices.Contains(known, 0) {
		t.Errorf("acknowledged: %v", known)
	}
	streams, err := store.OpenData(store.Options{Dir: filepath.Join(data, "streams")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := streams.Close(); err != nil {
			t.Error(err)
		}
	}()
	queues := queue.New(queue.Options{Data: streams})
	for caller, acknowledged := range known {
		missing := map[string]bool{}
		for i := range acknowledged {
			missing[fmt.Sprint(i)] = true
		}
		ctx, enough := context.WithTimeout(t.Context(), time.Minute)
		err := queues.Consume(ctx, tenant(caller), "q", queue.ConsumerOptions{Batch: 100}, func(_ context.Context, messages []queue.Message) error {
			for _, m := range messages {
				delete(missing, string(m.Value))
			}
			if len(missing) == 0 {
				enough()
			}
			return nil
		})
		enough()
		if err != nil || len(missing) > 0 {
			t.Errorf("%s: of %d messages that were acknowledged %d are lost, %v", tenant(caller), acknowledged, len(missing), err)
		}
	}
}
