package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bulkhead-run/bulkhead/bench/sample"
)

const (
	function   = `export default async (event) => { for (const end = Date.now() + (event.ms ?? 0); Date.now() < end;); return { n: event.n } }`
	coldStarts = 40
	warmCalls  = 3000
	instances  = 16
	idle       = time.Second // after which a process has given back what it can
)

// server is a real supervisor under measurement.
type server struct {
	cmd    *exec.Cmd
	spares int
	addr   string
	conn   net.Conn
	in     *bufio.Reader
}

// serve starts a supervisor; settings are further lines of its configuration.
func (b *bench) serve(data string, spares int, settings ...string) (*server, error) {
	config := b.path(data + ".yaml")
	text := fmt.Sprintf("spares: %d\nload_timeout: 1m\ntiers: {default: {max_code: 3MiB, max_memory: 128MiB}}\n", spares) + strings.Join(settings, "\n")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, b.path("supervisor"), "serve", "--listen", "127.0.0.1:0", "--data", b.path(data), "--config", config, "--log-level", "error")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the supervisor said %q", line), cmd.Process.Kill(), cmd.Wait())
	}
	_, after, _ := strings.Cut(line, "http://")
	addr, _, _ := strings.Cut(after, ",")
	s, err := (&server{cmd: cmd, spares: spares, addr: addr}).again()
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return s, nil
}

// again returns the server with a connection of its own.
func (s *server) again() (*server, error) {
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		return nil, err
	}
	return &server{s.cmd, s.spares, s.addr, conn, bufio.NewReader(conn)}, nil
}

func (s *server) stop() error {
	return errors.Join(s.conn.Close(), s.cmd.Process.Signal(syscall.SIGTERM), s.cmd.Wait())
}

// do sends a request and returns how long it took and the answer's headers. It
// uses one connection by hand, as load generators do: Go's http.Client passes
// every request through two goroutines of its own, which would be measured too.
func (s *server) do(method, path, contentType, body string) (time.Duration, http.Header, error) {
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, s.addr, contentType, len(body), body)
	start := time.Now()
	if _, err := s.conn.Write(request); err != nil {
		return 0, nil, err
	}
	answer, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return 0, nil, err
	}
	text, err := io.ReadAll(answer.Body)
	took := time.Since(start)
	answer.Body.Close()
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return took, answer.Header, err
}

// code is a function that is measured, and an event for it.
type code struct{ source, settings, event string }

var small = code{function, fmt.Sprintf("concurrency=%d", instances), `{"n":1}`}

func large(size int) code {
	return code{sample.Bundle(size), fmt.Sprintf("memory=%dMiB", 5+16*size>>20), `{"a":1,"b":2,"name":"bulkhead"}`}
}

func (s *server) deploy(tenant string, c code) error {
	if _, _, err := s.do("PUT", "/v1/tenants/"+tenant, "application/json", "{}"); err != nil {
		return err
	}
	_, _, err := s.do("PUT", "/v1/tenants/"+tenant+"/functions/f?"+c.settings, "text/javascript", c.source)
	return err
}

func (s *server) invoke(tenant, event string) (time.Duration, http.Header, error) {
	return s.do("POST", "/v1/tenants/"+tenant+"/functions/f/invoke", "application/json", event)
}

// process returns the id of a tenant's sandbox process.
func (s *server) process(tenant string) (int, error) {
	answer, err := http.Post("http://"+s.addr+"/v1/tenants/"+tenant+"/functions/f/invoke?detail=true", "application/json", strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	var invocation struct{ PID int }
	if err := json.Unmarshal(text, &invocation); err != nil || invocation.PID == 0 {
		return 0, fmt.Errorf("no process id in the answer %s", text)
	}
	return invocation.PID, nil
}

// awaitSpares returns when all spares are there, and the machine has had time to
// settle.
func (s *server) awaitSpares() error {
	want := fmt.Sprintf("bulkhead_sandboxes{state=\"spare\"} %d\n", s.spares)
	for end := time.Now().Add(time.Minute); ; {
		time.Sleep(100 * time.Millisecond)
		answer, err := http.Get("http://" + s.addr + "/metrics")
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || strings.Contains(string(text), want) {
			return err
		}
		if time.Now().After(end) {
			return errors.New("the spare processes do not start")
		}
	}
}

func overHTTP(b *bench) error {
	for _, c := range []struct {
		spares int
		target time.Duration
		what   string
	}{
		{2, 5 * time.Millisecond, "cold start through HTTP, with a spare process, p50"},
		{0, 40 * time.Millisecond, "cold start through HTTP, without a spare, p50"},
	} {
		s, err := b.serve("data"+strconv.Itoa(c.spares), c.spares)
		if err != nil {
			return err
		}
		cold, err := coldStart(s, "small", small)
		if err == nil {
			b.add(c.what, "≤ "+c.target.String(), cold <= c.target, "%.1f ms", float64(cold.Microseconds())/1000)
		}
		if err == nil && c.spares > 0 {
			err = b.coldBundles(s)
		}
		if err == nil && c.spares > 0 {
			err = b.warm(s)
		}
		if err = errors.Join(err, s.stop()); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) coldBundles(s *server) error {
	const target = 5 * time.Millisecond
	cold, err := coldStart(s, "medium", large(500<<10))
	if err != nil {
		return err
	}
	b.add("  of a deployed bundle of 500 KiB", "≤ "+target.String(), cold <= target, "%.1f ms", float64(cold.Microseconds())/1000)
	if cold, err = coldStart(s, "large", large(2<<20)); err != nil {
		return err
	}
	b.add("  of a deployed bundle of 2 MiB", "", true, "%.1f ms", float64(cold.Microseconds())/1000)
	return nil
}

// coldStart returns the median of first invocations, each of a new tenant.
func coldStart(s *server, name string, c code) (time.Duration, error) {
	for n := range coldStarts {
		if err := s.deploy(fmt.Sprintf("%s-%d", name, n), c); err != nil {
			return 0, err
		}
	}
	var took []time.Duration
	for n := range coldStarts {
		if err := s.awaitSpares(); err != nil {
			return 0, err
		}
		d, header, err := s.invoke(fmt.Sprintf("%s-%d", name, n), c.event)
		if err != nil {
			return 0, err
		}
		if receipt := header.Get("Bulkhead-Receipt"); !strings.Contains(receipt, "start=cold") {
			return 0, fmt.Errorf("a first invocation was %q", receipt)
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// warm measures warm invocations by one client, and the memory of a tenant's
// process.
func (b *bench) warm(s *server) error {
	if err := s.deploy("warm", small); err != nil {
		return err
	}
	yardstick := make([]time.Duration, 0, warmCalls)
	for range warmCalls {
		d, _, err := s.do("GET", "/healthz", "text/plain", "")
		if err != nil {
			return err
		}
		yardstick = append(yardstick, d)
	}
	slices.Sort(yardstick)
	var medians []float64
	for range b.runs {
		took := make([]time.Duration, 0, warmCalls)
		for range warmCalls {
			d, _, err := s.invoke("warm", `{"n":1}`)
			if err != nil {
				return err
			}
			took = append(took, d)
		}
		slices.Sort(took)
		medians = append(medians, float64(took[len(took)/2].Nanoseconds())/1000)
	}
	p50 := median(medians)
	b.add("warm invocation through HTTP, one client, p50", "≤ 300 µs", p50 <= 300, "%.0f µs", p50)
	b.add("  GET /healthz by the same client, for scale", "", true, "%.0f µs", float64(yardstick[len(yardstick)/2].Nanoseconds())/1000)

	pid, err := s.process("warm")
	if err != nil {
		return err
	}
	time.Sleep(idle)
	one, err := privateMemory(pid)
	if err != nil {
		return err
	}
	// As many at once as the function may have: one instance each.
	var all sync.WaitGroup
	errs := make([]error, instances)
	for n := range instances {
		all.Go(func() {
			answer, err := http.Post("http://"+s.addr+"/v1/tenants/warm/functions/f/invoke", "application/json", strings.NewReader(`{"ms":300}`))
			if err == nil {
				err = answer.Body.Close()
			}
			errs[n] = err
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	time.Sleep(idle)
	many, err := privateMemory(pid)
	if err != nil {
		return err
	}
	each := (many - one) / (instances - 1)
	b.add("private memory of an idle tenant process", "≤ 14 MiB", one <= 14<<10, "%.1f MiB", one/1024)
	b.add("  each further instance", "≤ 400 KiB", each <= 400, "%.0f KiB", each)
	return nil
}

// privateMemory returns what a process has of memory for itself, in KiB: its
// anonymous pages, and its memory files, each once. Those count whole, mapped
// or not: smaps would call them shared where two instances map them.
func privateMemory(pid int) (float64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	var sum float64
	for line := range strings.Lines(string(rollup)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "Pss_Anon:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				return 0, err
			}
			sum += kib
		}
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return 0, err
	}
	for _, fd := range fds {
		if name, err := os.Readlink(fd); err != nil || !strings.HasPrefix(name, "/memfd:") {
			continue
		}
		info, err := os.Stat(fd)
		if err != nil {
			return 0, err
		}
		sum += float64(info.Sys().(*syscall.Stat_t).Blocks) / 2
	}
	return sum, nil
}
