package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// worker is the function that every tenant of a load has: it computes, keeps
// something in kv and says whose it is.
func worker(tenant string) string {
	return fmt.Sprintf(`export default async ({ n, nonce, keep }) => {
	if (keep) {
		await kv.put('last', nonce);
		const got = await kv.get('last');
		if (typeof got !== 'string' || !got.startsWith(%q)) throw new Error('kv gave ' + got);
	}
	let sum = 0;
	for (let i = 1; i <= n; i++) sum += i;
	return { tenant: %q, nonce, sum };
}`, tenant+":", tenant)
}

// load calls many tenants' functions all the time and checks every answer.
type load struct {
	d       *daemon.Daemon
	t       *testing.T
	tenants int
	pause   time.Duration

	end    chan struct{}
	ending sync.Once
	done   sync.WaitGroup

	answers, excused atomic.Int64
	hurt             []hurt
	failures         []int            // the statuses that are failures to be expected
	after            func(tenant int) // after each answer that was right, if set
}

// hurt is what has been done to a tenant.
type hurt struct {
	mu    sync.Mutex
	until time.Time // failures are expected
}

func tenantName(n int) string { return fmt.Sprintf("tenant-%d", n) }

// newLoad deploys what is to be called.
func newLoad(t *testing.T, d *daemon.Daemon, tenants int, pause time.Duration) *load {
	t.Helper()
	daemon.InParallel(t, tenants, func(n int) error { return d.Deploy(tenantName(n), "work", worker(tenantName(n))) })
	l := &load{
		d: d, t: t, tenants: tenants, pause: pause, end: make(chan struct{}), hurt: make([]hurt, tenants),
		failures: []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests},
	}
	t.Cleanup(l.stop)
	return l
}

// run begins to call, one caller for each tenant.
func (l *load) run() {
	for tenant := range l.tenants {
		l.done.Go(func() {
			for n := 0; ; n++ {
				l.call(tenant, n)
				select {
				case <-l.end:
					return
				case <-time.After(l.pause): // the rate of calls
				}
			}
		})
	}
}

// stop ends the calls and waits for them. It may be called often; the test's end
// does.
func (l *load) stop() {
	l.ending.Do(func() { close(l.end) })
	l.done.Wait()
}

// expect says that a tenant's calls may fail for a while from now on.
func (l *load) expect(tenant int, d time.Duration) {
	h := &l.hurt[tenant]
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(d); until.After(h.until) {
		h.until = until
	}
}

func (l *load) excusedAt(tenant int, at time.Time) bool {
	h := &l.hurt[tenant]
	h.mu.Lock()
	defer h.mu.Unlock()
	return at.Before(h.until)
}

// call makes one call. The answer is right, or a failure that says so and that
// was to be expected; a wrong one never is.
func (l *load) call(tenant, n int) {
	name := tenantName(tenant)
	event, want := question(name, n)
	began := time.Now()
	a, err := l.d.Invoke(name, "work", event)
	switch {
	case err == nil && a.Status == http.StatusOK && a.Body == want:
		l.answers.Add(1)
		if l.after != nil {
			l.after(tenant)
		}
	case err == nil && a.Status == http.StatusOK:
		l.t.Errorf("a wrong answer to %s: %s %s; want %s", name, event, a.Body, want)
	case l.excusedAt(tenant, began) && (err != nil || slices.Contains(l.failures, a.Status)):
		l.excused.Add(1)
	default:
		l.t.Errorf("%s, which nothing was done to, failed: %d %s %v", name, a.Status, a.Body, err)
	}
}

// question returns an event for worker and its answer.
func question(tenant string, n int) (event, want string) {
	nonce, size := fmt.Sprintf("%s:%d:%x", tenant, n, rand.Uint32()), rand.IntN(2000)
	return fmt.Sprintf(`{"n":%d,"nonce":%q,"keep":%t}`, size, nonce, n%3 == 0),
		fmt.Sprintf(`{"tenant":%q,"nonce":%q,"sum":%d}`, tenant, nonce, size*(size+1)/2)
}
