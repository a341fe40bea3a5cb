package faults

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// shedding are the answers of a supervisor that has no room: they say to come
// back.
var shedding = []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}

// Descriptors, memory, processes: when one runs out, calls are answered rightly
// or refused with when to come back, and afterwards all is as before.
func TestExhaustion(t *testing.T) {
	for name, c := range map[string]struct {
		shell string // before the supervisor is started
		env   []string
		alone bool // as a user of its own: the limit is a user's
	}{
		"descriptors": {"ulimit -n 140", nil, false},
		"memory":      {"true", []string{"GOMEMLIMIT=40MiB"}, false},
		"processes":   {"{ ulimit -u 120 2>/dev/null || ulimit -p 120; }", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := daemon.Options{Config: "spares: 1\nmax_processes: 60", Env: c.env, Before: []string{"sh", "-c", c.shell + ` && exec "$@"`, "sh"}}
			if c.alone {
				o.UID = daemon.NoUser(t)
			}
			exhaust(t, daemon.Serve(t, o))
		})
	}
}

// exhaust asks for more than there is.
func exhaust(t *testing.T, d *daemon.Daemon) {
	const tenants, callers = 30, 200
	var deployed []int
	for n := range tenants {
		switch a, err := d.Do("PUT", "/v1/tenants/"+tenantName(n), "application/json", `{"policy":"dev"}`); {
		case err == nil && a.Status < 300:
		default:
			t.Fatalf("tenant: %d %s %v", a.Status, a.Body, err)
		}
		a, err := d.PutFunction(tenantName(n), "work", worker(tenantName(n)), "")
		switch {
		case err == nil && a.Status < 300:
			deployed = append(deployed, n)
		case err == nil && slices.Contains(shedding, a.Status) && a.Header.Get("Retry-After") != "":
		default:
			t.Fatalf("deploy: %d %s %v", a.Status, a.Body, err)
		}
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	end := time.Now().Add(lasting(t, 2*time.Second))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	many := *d
	many.HTTP = client
	for caller := range callers {
		all.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				tenant := tenantName(deployed[(caller+n)%len(deployed)])
				event, want := question(tenant, n)
				a, err := many.Invoke(tenant, "work", event)
				status := a.Status
				switch {
				case err != nil:
					status = 0 // refused by the kernel, or closed: no answer
				case a.Status == http.StatusOK && a.Body != want:
					t.Errorf("a wrong answer: %s, want %s", a.Body, want)
				case a.Status == http.StatusOK, a.Status == http.StatusGatewayTimeout:
				case slices.Contains(shedding, a.Status) && a.Header.Get("Retry-After") != "":
				default:
					t.Errorf("%d %.400s", a.Status, a.Body)
				}
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	t.Logf("%d of %d deployed; answers by status: %v", len(deployed), tenants, statuses)
	if statuses[http.StatusOK] == 0 {
		t.Error("nobody was answered")
	}
	daemon.Eventually(t, "each tenant is answered", func() bool {
		for _, n := range deployed {
			event, want := question(tenantName(n), 1)
			if a, err := d.Invoke(tenantName(n), "work", event); err != nil || a.Body != want {
				return false
			}
		}
		return true
	})
	daemon.Eventually(t, "one can deploy", func() bool { return d.Deploy("late", "f", "export default () => 'late'") == nil })
	d.Wants("late", "f", "null", `"late"`)
	if daemon.Panicked(d.Log.String()) {
		t.Errorf("the supervisor said:\n%s", d.Log.Tail())
	}
	d.Stop()
}

// A backlog that nobody takes connections from, because the supervisor is
// stopped, is served when it goes on.
func TestBacklog(t *testing.T) {
	d := daemon.Serve(t, daemon.Options{Config: "spares: 1"})
	if err := d.Deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	d.Wants("acme", "f", `{"n":1}`, `{"twice":2}`)
	childtest.Stop(t, d.Cmd.Process.Pid)
	const callers = 500
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	many := *d
	many.HTTP = client
	var all sync.WaitGroup
	var begun sync.WaitGroup
	begun.Add(callers)
	answers := make([]string, callers)
	for n := range callers {
		all.Go(func() {
			begun.Done()
			a, err := many.Invoke("acme", "f", fmt.Sprintf(`{"n":%d}`, n))
			switch {
			case err != nil:
				answers[n] = "none"
			case a.Status == http.StatusOK && a.Body != fmt.Sprintf(`{"twice":%d}`, 2*n):
				t.Errorf("a wrong answer: %s", a.Body)
			case a.Status != http.StatusOK && !slices.Contains(shedding, a.Status):
				t.Errorf("%d %s", a.Status, a.Body)
			default:
				answers[n] = fmt.Sprint(a.Status)
			}
		})
	}
	begun.Wait()
	if err := d.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	counts := map[string]int{}
	for _, a := range answers {
		counts[a]++
	}
	t.Logf("answers: %v", counts)
	if counts["200"] == 0 {
		t.Error("nobody was answered")
	}
	d.Wants("acme", "f", `{"n":7}`, `{"twice":14}`)
	d.Stop()
}
