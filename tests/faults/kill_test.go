package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// kill -9 of sandboxes at random while fifty tenants are under load, and deploys
// go on: no wrong answer, none but the killed tenant's callers notice, and no
// acknowledged deploy is lost.
func TestKilledUnderLoad(t *testing.T) {
	const tenants = 50
	d := daemon.Serve(t, daemon.Options{Config: "spares: 4\nmax_processes: 80"})
	l := newLoad(t, d, tenants, 150*time.Millisecond)
	l.run()
	// Fifty first invocations at once are another matter than what a kill costs.
	daemon.Eventually(t, "everybody has been served", func() bool { return l.answers.Load() >= 2*tenants })
	end := time.Now().Add(lasting(t, 5*time.Second))

	var deploys sync.WaitGroup
	deployed := 0
	deploys.Go(func() {
		for ; time.Now().Before(end); deployed++ {
			// The load's tenants are deployed to, too: loads and kills meet.
			if a, err := d.PutFunction(tenantName(deployed%tenants), "deployed", fmt.Sprintf("export default () => %d", deployed), ""); err != nil || a.Status >= 300 {
				if a.Status == http.StatusBadGateway || a.Status == http.StatusServiceUnavailable {
					deployed--
					continue // its check shared the fate of a process
				}
				t.Errorf("deploy %d: %d %s %v", deployed, a.Status, a.Body, err)
				return
			}
		}
	})

	var recoveries []time.Duration
	kills := 0
	for victim := 0; time.Now().Before(end); victim++ {
		// Nobody twice soon: the breaker would hold him back.
		tenant := victim * 17 % tenants
		event, want := question(tenantName(tenant), 1)
		pid, err := d.Process(tenantName(tenant), "work", event)
		if err != nil {
			if l.excusedAt(tenant, time.Now()) {
				continue
			}
			t.Fatal(err)
		}
		l.expect(tenant, 5*time.Second)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			continue // it was evicted meanwhile
		}
		kills++
		killed := time.Now()
		daemon.Eventually(t, tenantName(tenant)+" answers again", func() bool {
			a, err := d.Invoke(tenantName(tenant), "work", event)
			if err == nil && a.Status == http.StatusOK && a.Body != want {
				t.Errorf("a wrong answer: %s, want %s", a.Body, want)
			}
			return err == nil && a.Status == http.StatusOK
		})
		recoveries = append(recoveries, time.Since(killed))
	}
	deploys.Wait()
	l.stop()
	slices.Sort(recoveries)
	t.Logf("%d kills, %d answers, %d told failures of killed tenants, %d deploys; recovery p50 %v, p99 %v, max %v", kills, l.answers.Load(), l.excused.Load(), deployed,
		recoveries[len(recoveries)/2], recoveries[len(recoveries)*99/100], recoveries[len(recoveries)-1])
	if kills < 5 || deployed < 5 {
		t.Errorf("only %d kills and %d deploys", kills, deployed)
	}
	for tenant := range min(tenants, deployed, 20) {
		last := (deployed-1-tenant)/tenants*tenants + tenant
		d.Wants(tenantName(tenant), "deployed", "null", fmt.Sprint(last))
	}
	d.Stop()
}

// kill -9 at points before, during and after host calls: each call has one
// outcome, a transaction is whole or absent, and the slot is free again.
func TestKilledAroundHostCalls(t *testing.T) {
	rounds := 40
	if lasting(t, 0) > 0 {
		rounds = 200
	}
	d := daemon.Serve(t, daemon.Options{Config: "spares: 4"})
	const code = `export default async ({ n }) => {
	await db.exec('CREATE TABLE IF NOT EXISTS t (n INTEGER, half INTEGER)');
	if (n < 0) return await db.query('SELECT n, count(*) AS c FROM t GROUP BY n ORDER BY n');
	await db.transaction(async (tx) => {
		await tx.exec('INSERT INTO t VALUES (?, 0)', [n]);
		await kv.put('n', n);
		await tx.exec('INSERT INTO t VALUES (?, 1)', [n]);
	});
	return { n };
}`
	// The breaker forgives a tenant one early death: each is killed twice.
	tenants := rounds / 2
	whole := make([]time.Duration, tenants)
	daemon.InParallel(t, tenants, func(n int) error {
		if err := d.Deploy(tenantName(n), "f", code); err != nil {
			return err
		}
		d.Wants(tenantName(n), "f", `{"n":-1}`, "[]")
		return nil
	})
	for n := range whole {
		began := time.Now()
		d.Wants(tenantName(n), "f", fmt.Sprintf(`{"n":%d}`, rounds+n), fmt.Sprintf(`{"n":%d}`, rounds+n))
		whole[n] = time.Since(began)
	}
	slices.Sort(whole)
	usual := whole[len(whole)/2]
	done := map[int]map[int]bool{} // of each tenant, what was acknowledged
	crashed := 0
	for round := range rounds {
		tenant := round % tenants
		name := tenantName(tenant)
		var pid int
		daemon.Eventually(t, name+" has a process", func() (ok bool) {
			var err error
			pid, err = d.Process(name, "f", `{"n":-1}`)
			return err == nil
		})
		killer := time.AfterFunc(rand.N(usual*5/4), func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
		a, err := d.Invoke(name, "f", fmt.Sprintf(`{"n":%d}`, round))
		killer.Stop()
		_ = syscall.Kill(pid, syscall.SIGKILL)
		switch {
		case err != nil:
			t.Fatal(err)
		case a.Status == http.StatusOK && a.Body == fmt.Sprintf(`{"n":%d}`, round):
			if done[tenant] == nil {
				done[tenant] = map[int]bool{}
			}
			done[tenant][round] = true
		case a.Status == http.StatusBadGateway && a.Problem() == "sandbox-crashed":
			crashed++
		case a.Status == http.StatusServiceUnavailable: // the breaker's
		default:
			t.Errorf("round %d: %d %s", round, a.Status, a.Body)
		}
	}
	for tenant := range tenants {
		var body string
		daemon.Eventually(t, tenantName(tenant)+" answers", func() bool {
			a, err := d.Invoke(tenantName(tenant), "f", `{"n":-1}`)
			body = a.Body
			return err == nil && a.Status == http.StatusOK
		})
		var rows []struct{ N, C int }
		decode(t, body, &rows)
		found := map[int]bool{}
		for _, r := range rows {
			found[r.N] = true
			if r.C != 2 {
				t.Errorf("%s: transaction %d has %d of 2 rows", tenantName(tenant), r.N, r.C)
			}
		}
		for n := range done[tenant] {
			if !found[n] {
				t.Errorf("%s: transaction %d was acknowledged, and is lost", tenantName(tenant), n)
			}
		}
	}
	if crashed == 0 || crashed == rounds {
		t.Errorf("%d of %d kills met an invocation: nothing is told about the others", crashed, rounds)
	}
	t.Logf("%d of %d invocations met the kill", crashed, rounds)
	if n := d.Metric("bulkhead_running"); n != 0 {
		t.Errorf("%v invocations are still counted as running", n)
	}
	d.Stop()
}

// A tenant whose process is killed from outside, again and again, is not held
// back for it: whoever calls next is answered by a new process, at once.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	d := daemon.Serve(t, daemon.Options{Config: "spares: 2"})
	if err := d.Deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	for kill := range 7 {
		pid, err := d.Process("acme", "f", `{"n":1}`)
		if err != nil {
			t.Fatalf("after %d kills: %v", kill, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		daemon.Eventually(t, "the process is gone", func() bool { return !daemon.Alive(pid) })
		for asked := true; asked; {
			a, err := d.Invoke("acme", "f", `{"n":3}`)
			switch {
			case err == nil && a.Body == `{"twice":6}`:
				asked = false
			case err == nil && a.Problem() == "sandbox-crashed": // it was begun in the process that was ending
			default:
				t.Fatalf("after %d kills: %d %s %v", kill+1, a.Status, a.Body, err)
			}
		}
	}
	d.Stop()
}
