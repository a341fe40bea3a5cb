package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// shedding are the answers of a supervisor that has no room: they say to come
// back.
var shedding = []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}

// Descriptors, memory: when one runs out, calls are answered rightly
// or refused with when to come back, and afterwards all is as before.
func TestExhaustion(t *testing.T) {
	for name, c := range map[string]struct {
		shell string // before the supervisor is started
		env   []string
	}{
		"descriptors": {"ulimit -n 140", nil},
		"memory":      {"true", []string{"GOMEMLIMIT=40MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, options{config: "spares: 1\nmax_processes: 60", env: c.env, before: []string{"sh", "-c", c.shell + ` && exec "$@"`, "sh"}})
			exhaust(t, d)
		})
	}
}

// exhaust asks for more than there is.
func exhaust(t *testing.T, d *daemon) {
	const tenants, callers = 30, 200
	var deployed []int
	for n := range tenants {
		switch a, err := d.do("PUT", "/v1/tenants/"+tenantName(n), "application/json", `{"policy":"open"}`); {
		case err == nil && a.status < 300:
		default:
			t.Fatalf("tenant: %d %s %v", a.status, a.body, err)
		}
		a, err := d.putFunction(tenantName(n), "work", worker(tenantName(n)))
		switch {
		case err == nil && a.status < 300:
			deployed = append(deployed, n)
		case err == nil && slices.Contains(shedding, a.status) && a.header.Get("Retry-After") != "":
		default:
			t.Fatalf("deploy: %d %s %v", a.status, a.body, err)
		}
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var all sync.WaitGroup
	end := time.Now().Add(lasting(t, 2*time.Second))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	many := *d
	many.http = client
	for caller := range callers {
		all.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				tenant := tenantName(deployed[(caller+n)%len(deployed)])
				event, want := question(tenant, n)
				a, err := many.invoke(tenant, "work", event)
				status := a.status
				switch {
				case err != nil:
					status = 0 // refused by the kernel, or closed: no answer
				case a.status == http.StatusOK && a.body != want:
					t.Errorf("a wrong answer: %s, want %s", a.body, want)
				case a.status == http.StatusOK, a.status == http.StatusGatewayTimeout:
				case a.problem() == "function-error" && strings.Contains(a.body, "Error: kv."): // no file of a stream could be opened
				case slices.Contains(shedding, a.status) && a.header.Get("Retry-After") != "":
				default:
					t.Errorf("%d %.400s", a.status, a.body)
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
	eventually(t, "each tenant is answered", func() bool {
		for _, n := range deployed {
			event, want := question(tenantName(n), 1)
			if a, err := d.invoke(tenantName(n), "work", event); err != nil || a.body != want {
				return false
			}
		}
		return true
	})
	eventually(t, "one can deploy", func() bool { return d.deploy("late", "f", "export default () => 'late'") == nil })
	d.wants("late", "f", "null", `"late"`)
	if panicked(d.log.String()) {
		t.Errorf("the supervisor said:\n%s", tail(d.log.String()))
	}
	d.stop()
}

// A backlog that nobody takes connections from, because the supervisor is
// stopped, is served when it goes on.
func TestBacklog(t *testing.T) {
	d := serve(t, options{config: "spares: 1"})
	if err := d.deploy("acme", "f", double); err != nil {
		t.Fatal(err)
	}
	d.wants("acme", "f", `{"n":1}`, `{"twice":2}`)
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const callers = 500
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	many := *d
	many.http = client
	var all sync.WaitGroup
	var begun sync.WaitGroup
	begun.Add(callers)
	answers := make([]string, callers)
	for n := range callers {
		all.Go(func() {
			begun.Done()
			a, err := many.invoke("acme", "f", fmt.Sprintf(`{"n":%d}`, n))
			switch {
			case err != nil:
				answers[n] = "none"
			case a.status == http.StatusOK && a.body != fmt.Sprintf(`{"twice":%d}`, 2*n):
				t.Errorf("a wrong answer: %s", a.body)
			case a.status != http.StatusOK && !slices.Contains(shedding, a.status):
				t.Errorf("%d %s", a.status, a.body)
			default:
				answers[n] = fmt.Sprint(a.status)
			}
		})
	}
	begun.Wait()
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
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
	d.wants("acme", "f", `{"n":7}`, `{"twice":14}`)
	d.stop()
}
