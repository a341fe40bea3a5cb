package faults

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child/childtest"
	"github.com/bulkhead-run/bulkhead/tests/daemon"
)

// jumpingClock is the code of clock_gettime for a process whose time of day is
// ahead by the number of seconds at its end: the system call, and, where it was
// for CLOCK_REALTIME, an addition to what it has written.
var jumpingClock = []byte{
	0xb8, 0xe4, 0, 0, 0, // mov eax, SYS_clock_gettime
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi
	0x75, 0x07, // jne to the ret
	0x48, 0x81, 0x06, 0, 0, 0, 0, // add qword [rsi], seconds
	0xc3, // ret
}

const secondsAt = 14 // in jumpingClock

// clock is a process's time of day. A process asks the kernel's own code for it,
// which lies in its memory: there it can be changed for this process alone.
type clock struct {
	t   *testing.T
	pid int
	mem *os.File
	at  int64 // where the code is
}

// newClock takes the time of day of a process over.
func newClock(t *testing.T, pid int) *clock {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the code is that of another processor")
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	var from, to int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
				t.Fatal(err)
			}
		}
	}
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil || from == 0 {
		t.Skipf("the supervisor's memory is not to be had: %v", err)
	}
	t.Cleanup(func() { _ = mem.Close() }) // nothing is lost by it
	image := make([]byte, to-from)
	if _, err := mem.ReadAt(image, from); err != nil {
		t.Skipf("the supervisor's memory is not to be read: %v", err)
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{t: t, pid: pid, mem: mem}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" && s.Size >= uint64(len(jumpingClock)) {
			c.at = from + int64(s.Value)
		}
	}
	if c.at == 0 {
		t.Skip("the kernel's code for the time of day is another")
	}
	c.jump(0)
	return c
}

// jump sets how far the process's time of day is ahead of the machine's.
func (c *clock) jump(by time.Duration) {
	c.t.Helper()
	code := bytes.Clone(jumpingClock)
	binary.LittleEndian.PutUint32(code[secondsAt:], uint32(int32(by/time.Second)))
	daemon.Eventually(c.t, "the process stands still, and not in that code", func() bool {
		childtest.Stop(c.t, c.pid)
		within := c.within()
		if within {
			_ = syscall.Kill(c.pid, syscall.SIGCONT) // it has just been there
		}
		return !within
	})
	_, err := c.mem.WriteAt(code, c.at)
	if err := syscall.Kill(c.pid, syscall.SIGCONT); err != nil {
		c.t.Fatal(err)
	}
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EPERM) {
		c.t.Skipf("the kernel lets nobody write there: %v", err)
	} else if err != nil {
		c.t.Fatal(err)
	}
}

// within reports whether a thread of the stopped process is within the code.
func (c *clock) within() bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", c.pid))
	for _, task := range tasks {
		// It ends with the stack pointer and the program counter.
		where, _ := os.ReadFile(task)
		fields := strings.Fields(string(where))
		if len(fields) < 3 {
			continue
		}
		if at, err := strconv.ParseInt(strings.TrimPrefix(fields[len(fields)-1], "0x"), 16, 64); err == nil && at >= c.at && at < c.at+int64(len(jumpingClock)) {
			return true
		}
	}
	return false
}

// The time of day jumps, there and back, by seconds, hours and years, while
// functions run: every deadline is kept, everything goes on, and only that ends
// whose end is a time of day.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	const tenants = 4
	d := daemon.Serve(t, daemon.Options{Config: "spares: 1\ngrace: 10s"})
	if err := errors.Join(
		d.Deploy("acme", "keep", `export default async ({ put }) => {
			if (put) { await kv.put('for-ever', 1); await kv.put('for-a-day', 1, { ttl: 86400 }); await kv.put('for-ten-years', 1, { ttl: 10 * 365 * 86400 }); await queue.send('q', 1) }
			return [await kv.get('for-ever'), await kv.get('for-a-day'), await kv.get('for-ten-years')].map((v) => v ?? 0);
		}`),
		d.DeployWith("acme", "spin", "export default () => { for (;;); }", "timeout=200ms"),
		d.DeployWith("acme", "wait", "export default (ms) => new Promise((r) => setTimeout(() => r('waited'), ms))", "timeout=20s"),
	); err != nil {
		t.Fatal(err)
	}
	socket := "unix:" + filepath.Join(d.Data, "admin.sock")
	token := func(name string, how ...string) string {
		t.Helper()
		out, err := daemon.Command(append([]string{"token", "create", name, "--server", socket}, how...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	l := newLoad(t, d, tenants, 20*time.Millisecond)
	d.HTTP.Transport = bearer{token("admin", "--scope", "admin"), d.HTTP.Transport}
	soon := token("soon", "--scope", "tenant-invoke", "--tenant", "acme", "--expires", "1h")
	late := token("late", "--scope", "tenant-invoke", "--tenant", "acme", "--expires", "1000000h")
	holds := func(token string) bool {
		t.Helper()
		with := *d
		with.HTTP = &http.Client{Transport: bearer{token, http.DefaultTransport}}
		a, err := with.Invoke("acme", "keep", `{}`)
		if err != nil || a.Status != http.StatusOK && a.Status != http.StatusUnauthorized {
			t.Errorf("%d %s %v", a.Status, a.Body, err)
		}
		return a.Status == http.StatusOK
	}
	d.Wants("acme", "keep", `{"put":true}`, "[1,1,1]")
	day := func(a daemon.Answer) time.Time {
		t.Helper()
		at, err := http.ParseTime(a.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}

	c := newClock(t, d.Cmd.Process.Pid)
	l.run()
	const hour, year = time.Hour, 365 * 24 * time.Hour
	kept := func(by time.Duration) string {
		if by >= year {
			return "[1,0,1]" // a key's end is a time of day
		}
		return "[1,1,1]"
	}
	for n, by := range []time.Duration{2 * time.Second, -2 * time.Second, hour / 2, -hour, 0, -year, 0, year, -year, 0} {
		waiting := make(chan daemon.Answer)
		go func() {
			a, err := d.Invoke("acme", "wait", "700")
			if err != nil {
				t.Error(err)
			}
			waiting <- a
		}()
		answered := l.answers.Load()
		c.jump(by)
		a, err := d.Do("GET", "/readyz", "", "")
		if err != nil || a.Status != http.StatusOK {
			t.Errorf("after a jump to %v: %d %s %v", by, a.Status, a.Body, err)
		}
		if off := day(a).Sub(time.Now().Add(by)).Abs(); off > time.Minute {
			t.Fatalf("the time of day has not jumped to %v: it is off by %v", by, off)
		}
		d.Wants("acme", "keep", `{}`, kept(by))
		if a, err := d.Invoke("acme", "spin", "null"); err != nil || a.Problem() != "timeout" {
			t.Errorf("after a jump to %v, an endless loop: %d %s %v", by, a.Status, a.Body, err)
		}
		if a := <-waiting; a.Body != `"waited"` {
			t.Errorf("over a jump to %v, a timer: %d %s", by, a.Status, a.Body)
		}
		if got := holds(soon); got != (by < hour) {
			t.Errorf("after a jump to %v, a token of an hour holds: %t", by, got)
		}
		if !holds(late) {
			t.Errorf("after a jump to %v, a token of a hundred years does not hold", by)
		}
		// A new process, and a new version, are had as ever.
		pid, err := d.Process("acme", "keep", `{}`)
		if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
			t.Fatal(pid, err)
		}
		daemon.Eventually(t, "there is a new process", func() bool {
			a, err := d.Invoke("acme", "keep", `{}`)
			return err == nil && a.Body == kept(by)
		})
		if err := d.Deploy("acme", "version", fmt.Sprintf("export default () => %d", n)); err != nil {
			t.Error(err)
		}
		d.Wants("acme", "version", "null", fmt.Sprint(n))
		daemon.Eventually(t, "the load goes on", func() bool { return l.answers.Load() > answered+5*tenants })
	}
	l.stop()
	var listed struct{ Versions []json.RawMessage }
	if a, err := d.Do("GET", "/v1/tenants/acme/functions/version/versions", "", ""); err != nil || a.Status != http.StatusOK {
		t.Errorf("%d %s %v", a.Status, a.Body, err)
	} else if decode(t, a.Body, &listed); len(listed.Versions) == 0 {
		t.Errorf("versions: %s", a.Body)
	}
	t.Logf("%d answers of the load", l.answers.Load())
	d.Stop()
}

// bearer sends a token with every request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

func (b bearer) CloseIdleConnections() {
	if c, ok := b.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
