package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Answer is an HTTP response, read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Problem returns the last part of a problem answer's type.
func (a Answer) Problem() string {
	var p struct{ Type string }
	if err := json.Unmarshal([]byte(a.Body), &p); err != nil {
		return ""
	}
	return p.Type[strings.LastIndex(p.Type, "/")+1:]
}

// Do sends a request.
func (d *Daemon) Do(method, path, contentType, body string) (Answer, error) {
	r, err := http.NewRequest(method, d.URL+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := d.HTTP.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return Answer{resp.StatusCode, resp.Header, string(text)}, err
}

// PutTenant makes a tenant whose functions may call everything.
func (d *Daemon) PutTenant(tenant string) error {
	if a, err := d.Do("PUT", "/v1/tenants/"+tenant, "application/json", `{"policy":"dev"}`); err != nil || a.Status >= 300 {
		return fmt.Errorf("tenant %s: %d %s %w", tenant, a.Status, a.Body, err)
	}
	return nil
}

// PutFunction deploys to a tenant that there is. Settings are those of the
// query: timeout=5s&memory=64MiB.
func (d *Daemon) PutFunction(tenant, function, code, settings string) (Answer, error) {
	return d.Do("PUT", "/v1/tenants/"+tenant+"/functions/"+function+"?"+settings, "text/javascript", code)
}

// Deploy makes the tenant and deploys the function.
func (d *Daemon) Deploy(tenant, function, code string) error {
	return d.DeployWith(tenant, function, code, "")
}

// DeployWith is Deploy with settings.
func (d *Daemon) DeployWith(tenant, function, code, settings string) error {
	if err := d.PutTenant(tenant); err != nil {
		return err
	}
	if a, err := d.PutFunction(tenant, function, code, settings); err != nil || a.Status >= 300 {
		return fmt.Errorf("function %s/%s: %d %s %w", tenant, function, a.Status, a.Body, err)
	}
	return nil
}

// Invoke calls a function.
func (d *Daemon) Invoke(tenant, function, event string) (Answer, error) {
	return d.Do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke", "application/json", event)
}

// Wants invokes and compares.
func (d *Daemon) Wants(tenant, function, event, want string) {
	d.T.Helper()
	if a, err := d.Invoke(tenant, function, event); err != nil || a.Status != http.StatusOK || a.Body != want {
		d.T.Errorf("%s/%s(%s): %d %s, %v; want %s", tenant, function, event, a.Status, a.Body, err, want)
	}
}

// Process returns the id of the process that a tenant's function runs in.
func (d *Daemon) Process(tenant, function, event string) (int, error) {
	a, err := d.Do("POST", "/v1/tenants/"+tenant+"/functions/"+function+"/invoke?detail=true", "application/json", event)
	if err != nil {
		return 0, err
	}
	var detail struct{ PID int }
	if json.Unmarshal([]byte(a.Body), &detail) != nil || detail.PID == 0 {
		return 0, fmt.Errorf("no process in %d %s", a.Status, a.Body)
	}
	return detail.PID, nil
}

// Metric returns the sum of a metric's values at /metrics.
func (d *Daemon) Metric(name string) (sum float64) {
	a, err := d.Do("GET", "/metrics", "", "")
	if err != nil || a.Status != http.StatusOK {
		d.T.Fatalf("/metrics: %d, %v", a.Status, err)
	}
	for line := range strings.Lines(a.Body) {
		if rest, found := strings.CutPrefix(line, name); found && (rest[0] == ' ' || rest[0] == '{') {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
			if err != nil {
				d.T.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}
