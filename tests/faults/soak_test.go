package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// attacks are functions that go wrong in as many ways, with the answers that
// they may get beside that of their timeout.
var attacks = map[string]struct {
	code string
	want []int
}{
	"spin":    {`() => { for (;;); }`, []int{}},
	"memory":  {`() => { const a = []; for (;;) a.push(new Array(1000).fill(7)); }`, []int{http.StatusInsufficientStorage}},
	"throw":   {`() => { throw new Error('x'.repeat(10000)); }`, []int{http.StatusInternalServerError}},
	"never":   {`() => new Promise(() => {})`, []int{http.StatusInternalServerError}},
	"log":     {`async () => { for (let i = 0; i < 5000; i++) console.log('y'.repeat(200)); return 1; }`, []int{http.StatusOK}},
	"flood":   {`async () => { for (;;) await Promise.allSettled(Array.from({length: 100}, () => kv.get('k'))); }`, []int{http.StatusInternalServerError, http.StatusForbidden}},
	"output":  {`() => 'z'.repeat(4 << 20)`, []int{http.StatusBadGateway, http.StatusOK, http.StatusInsufficientStorage}},
	"regexp":  {`() => /^(a+)+$/.test('a'.repeat(40) + 'b')`, []int{}},
	"recurse": {`() => { const f = () => f() + 1; return f(); }`, []int{http.StatusInternalServerError}},
	"sql":     {`async () => db.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) AS c FROM n")`, []int{http.StatusInternalServerError}},
}

// holdings are what the supervisor holds.
type holdings struct {
	resident, heap                     int64 // bytes
	goroutines, descriptors, processes int
	disk                               int64 // bytes of the data directory
}

func (h holdings) String() string {
	return fmt.Sprintf("%d MiB resident, %d MiB heap, %d goroutines, %d descriptors, %d processes, %d MiB on disk",
		h.resident>>20, h.heap>>20, h.goroutines, h.descriptors, h.processes, h.disk>>20)
}

// count counts when nothing runs: idle tenants have lost their processes.
func count(t *testing.T, d *daemon.Daemon, spares int, thorough bool) holdings {
	t.Helper()
	d.HTTP.CloseIdleConnections()
	for deadline := time.Now().Add(2 * time.Minute); len(d.Children()) > spares; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%d processes are left, want %d", len(d.Children()), spares)
			break
		}
	}
	// What is garbage is known after a collection, which comes every two minutes
	// when nothing else calls for it.
	if collected := d.Metric("go_gc_duration_seconds_count"); thorough {
		for deadline := time.Now().Add(3 * time.Minute); d.Metric("go_gc_duration_seconds_count") == collected && time.Now().Before(deadline); {
			time.Sleep(time.Second)
		}
	}
	h := holdings{
		heap: int64(d.Metric("go_memstats_heap_alloc_bytes")), goroutines: int(d.Metric("go_goroutines")),
		processes: len(d.Children()),
	}
	pid := d.Cmd.Process.Pid
	if list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		h.descriptors = len(list)
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		h.resident = pages * int64(os.Getpagesize())
	}
	_ = filepath.Walk(d.Data, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			h.disk += info.Size()
		}
		return nil
	})
	return h
}

// A mixed load goes on for as long as BULKHEAD_SOAK says: honest tenants,
// attackers, deploys, kills, tenants that come and go. In the end the supervisor
// holds what it held after a first, short round of the same.
func TestSoak(t *testing.T) {
	text := os.Getenv("BULKHEAD_SOAK")
	if text == "" {
		t.Skip("BULKHEAD_SOAK does not say how long")
	}
	lasts, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("BULKHEAD_SOAK is %q: not a duration", text)
	}
	const spares = 2
	// What is idle goes soon, so that it can be waited for.
	d := daemon.Serve(t, daemon.Options{Config: `
spares: 2
max_processes: 60
idle_ttl: 10s
grace: 500ms
db: {idle_timeout: 5s, max_processes: 16}
audit: {max_size: 1MiB, keep: 2}
max_snapshots: 16MiB
`})
	s := &soak{t: t, d: d}
	first := min(30*time.Second, lasts/4)
	s.round(first)
	before := count(t, d, spares, lasts >= 5*time.Minute)
	t.Logf("after the first %v: %v", first, before)
	began := time.Now()
	s.round(lasts - first)
	after := count(t, d, spares, lasts >= 5*time.Minute)
	t.Logf("after %v more: %v", time.Since(began).Round(time.Second), after)
	t.Logf("%d answers of honest tenants, %d attacks, %d kills, %d deploys, %d tenants made and deleted, %d told failures of killed tenants",
		s.answers.Load(), s.attacked.Load(), s.kills.Load(), s.deploys.Load(), s.tenants.Load(), s.excused.Load())
	for _, c := range []struct {
		what              string
		now, before, more int64
	}{
		// The garbage collector lets the heap grow to twice what is in use, and
		// gives memory back late.
		{"bytes resident", after.resident, before.resident, before.resident/4 + 24<<20},
		{"bytes of heap", after.heap, before.heap, before.heap/2 + 24<<20},
		// Connections of HTTP clients and JetStream's timers come and go.
		{"goroutines", int64(after.goroutines), int64(before.goroutines), 12},
		{"descriptors", int64(after.descriptors), int64(before.descriptors), 12},
		{"processes", int64(after.processes), int64(before.processes), 0},
		// Audit log and snapshots grow to their limits, files of keys and queues to
		// the size of a block.
		{"bytes on disk", after.disk, before.disk, 64 << 20},
	} {
		if c.now > c.before+c.more {
			t.Errorf("the supervisor holds %d %s; it held %d", c.now, c.what, c.before)
		}
	}
	d.Stop()
}

// soak counts what is done.
type soak struct {
	t *testing.T
	d *daemon.Daemon

	answers, attacked, kills, deploys, tenants, excused atomic.Int64
}

// round does everything at once for a while.
func (s *soak) round(lasts time.Duration) {
	const tenants = 24
	l := newLoad(s.t, s.d, tenants, 60*time.Millisecond)
	l.run()
	end := time.Now().Add(lasts)
	goes := func() bool { return time.Now().Before(end) && !s.t.Failed() }
	var all sync.WaitGroup
	for name, a := range attacks {
		all.Go(func() { s.attack(name, a.code, a.want, goes) })
	}
	all.Go(func() { s.kill(l, goes) })
	all.Go(func() { s.deploy(goes) })
	all.Go(func() { s.comeAndGo(goes) })
	all.Wait()
	l.stop()
	s.answers.Add(l.answers.Load())
	s.excused.Add(l.excused.Load())
}

// pause is between two steps of one of those who do something.
func pause() { time.Sleep(200*time.Millisecond + rand.N(300*time.Millisecond)) }

func (s *soak) attack(name, code string, want []int, goes func() bool) {
	tenant := "attacker-" + name
	if err := s.d.PutTenant(tenant); err != nil {
		s.t.Error(err)
		return
	}
	if a, err := s.d.Do("PUT", "/v1/tenants/"+tenant+"/functions/f?timeout=1s", "text/javascript", "export default "+code); err != nil || a.Status >= 300 {
		s.t.Errorf("%s: %d %s %v", name, a.Status, a.Body, err)
		return
	}
	for ; goes(); pause() {
		a, err := s.d.Invoke(tenant, "f", "null")
		if err != nil {
			s.t.Errorf("%s: %v", name, err)
			return
		}
		s.attacked.Add(1)
		// On a busy machine any of them may meet its deadline first.
		known := a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests || a.Status == http.StatusGatewayTimeout
		for _, status := range want {
			known = known || a.Status == status
		}
		if !known {
			s.t.Errorf("the attack %s ended with %d %.300s", name, a.Status, a.Body)
		}
	}
}

func (s *soak) kill(l *load, goes func() bool) {
	for victim := 0; goes(); victim++ {
		tenant := victim * 7 % l.tenants
		event, _ := question(tenantName(tenant), 1)
		pid, err := s.d.Process(tenantName(tenant), "work", event)
		if err == nil {
			l.expect(tenant, 5*time.Second)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
			s.kills.Add(1)
		}
		pause()
		pause()
	}
}

func (s *soak) deploy(goes func() bool) {
	if err := s.d.PutTenant("deployer"); err != nil {
		s.t.Error(err)
		return
	}
	for n := 0; goes(); n++ {
		if a, err := s.d.PutFunction("deployer", fmt.Sprint("f", n%5), fmt.Sprintf("export default () => %d", n), ""); err != nil || a.Status >= 300 && a.Status != http.StatusServiceUnavailable {
			s.t.Errorf("deploy: %d %s %v", a.Status, a.Body, err)
		} else if a.Status < 300 {
			s.deploys.Add(1)
			if a, err := s.d.Invoke("deployer", fmt.Sprint("f", n%5), "null"); err != nil || a.Status == http.StatusOK && a.Body != fmt.Sprint(n) {
				s.t.Errorf("version %d answers %s, %v", n, a.Body, err)
			}
		}
		pause()
	}
}

// comeAndGo makes tenants that store something everywhere, and deletes them.
func (s *soak) comeAndGo(goes func() bool) {
	for n := 0; goes(); n++ {
		tenant := fmt.Sprintf("passing-%d", n)
		if err := s.d.Deploy(tenant, "f", keeper); err != nil {
			if !strings.Contains(err.Error(), "503") {
				s.t.Error(err)
			}
			continue
		}
		if a, err := s.d.Invoke(tenant, "f", `{"write":true,"size":5000}`); err != nil || a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout {
			s.t.Errorf("%s: %d %s %v", tenant, a.Status, a.Body, err)
		}
		if a, err := s.d.Do("DELETE", "/v1/tenants/"+tenant, "", ""); err != nil || a.Status >= 300 {
			s.t.Errorf("delete %s: %d %s %v", tenant, a.Status, a.Body, err)
		}
		s.tenants.Add(1)
		pause()
	}
}
