package hostile

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// Rows run on so many tenants at once.
const attackers = 4

// maxFaults is how many faults end the rounds.
const maxFaults = 50

// TestRounds runs every row again and again against one supervisor, as many
// times or for as long as BULKHEAD_ROUNDS says ("1000", "30m"). It fails when
// an end differs from the row, the neighbour's answer is wrong, or the
// supervisor holds more at the end than after the first round.
func TestRounds(t *testing.T) {
	setting := os.Getenv("BULKHEAD_ROUNDS")
	if setting == "" {
		t.Skip("BULKHEAD_ROUNDS does not say how many")
	}
	most, err := strconv.Atoi(setting)
	var last time.Duration
	if err != nil {
		if last, err = time.ParseDuration(setting); err != nil {
			t.Fatalf("BULKHEAD_ROUNDS is %q: neither a number nor a duration", setting)
		}
		most = 1 << 30
	}
	w := newWorld(t, 500*time.Millisecond)
	var lanes [attackers][]row
	for n, r := range rows() {
		lanes[n%attackers] = append(lanes[n%attackers], r.brief())
	}
	for lane, rows := range lanes {
		w.tenant(t, attacker(lane))
		for _, r := range rows {
			w.deploy(t, r.spec(attacker(lane)))
		}
	}

	var before resources
	var faults, done atomic.Int64
	start, told := time.Now(), time.Now()
	round := 0
	w.beside(t, func() {
		for round < most && faults.Load() < maxFaults && (last == 0 || time.Since(start) < last) {
			round++
			var all sync.WaitGroup
			for lane, rows := range lanes {
				all.Go(func() {
					for _, r := range rows {
						for _, fault := range w.attack(t.Context(), r, attacker(lane), r.spec("").Function) {
							faults.Add(1)
							t.Errorf("round %d, %s: %s", round, r.name, fault)
						}
						done.Add(1)
					}
				})
			}
			all.Wait()
			if round == 1 {
				before = w.resources(t)
			}
			if round == 1 || time.Since(told) > 30*time.Second {
				told = time.Now()
				t.Logf("round %d: %d rows, %.1f a second; %d faults; processes ended: %v; supervisor: %v",
					round, done.Load(), float64(done.Load())/time.Since(start).Seconds(), faults.Load(), w.s.Stats().Ended, w.resources(t))
			}
		}
	})
	after := w.resources(t)
	t.Logf("%d rounds of %d rows in %v, %d faults; supervisor after the first: %v; at the end: %v",
		round, len(rows()), time.Since(start).Round(time.Second), faults.Load(), before, after)
	for _, grown := range after.beyond(before) {
		t.Error(grown)
	}
	w.finish(t)
}

func attacker(lane int) string { return fmt.Sprintf("attacker-%d", lane) }

// brief is the row with a timeout that suits being run a thousand times.
func (r row) brief() row {
	switch {
	case r.want == outcome.Deadline:
		r.time = 50 * time.Millisecond
	case slices.Contains(r.or, outcome.Deadline):
		r.time = 300 * time.Millisecond
	}
	return r
}

// resources are what the supervisor, which is this process, holds.
type resources struct {
	resident, heap          int64 // bytes
	goroutines, descriptors int
	children                int
}

func (r resources) String() string {
	return fmt.Sprintf("%d MiB resident, %d MiB heap, %d goroutines, %d descriptors, %d children",
		r.resident>>20, r.heap>>20, r.goroutines, r.descriptors, r.children)
}

// resources counts once no spare is being started or deploy check ended.
func (w *world) resources(t *testing.T) resources {
	eventually(t, "the spares are there", func() bool { return w.s.Stats().Spares == spares })
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return resources{
		resident: residentMemory(t, "self"), heap: int64(m.HeapAlloc),
		goroutines: runtime.NumGoroutine(), descriptors: openFiles(t), children: len(children()),
	}
}

// beyond returns what is more than before by more than chance: a request under
// way, a buffer, the latencies that this test keeps.
func (r resources) beyond(before resources) (grown []string) {
	for _, c := range []struct {
		what              string
		now, before, more int64
	}{
		{"bytes resident", r.resident, before.resident, before.resident/4 + 16<<20},
		{"bytes of heap", r.heap, before.heap, before.heap/4 + 16<<20},
		{"goroutines", int64(r.goroutines), int64(before.goroutines), 8},
		{"descriptors", int64(r.descriptors), int64(before.descriptors), 8},
		{"children", int64(r.children), int64(before.children), 1},
	} {
		if c.now > c.before+c.more {
			grown = append(grown, fmt.Sprintf("the supervisor holds %d %s, %d after the first round", c.now, c.what, c.before))
		}
	}
	return grown
}

// peakMemory returns the largest resident set that a process has had, in bytes.
func peakMemory(t *testing.T, pid string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(peak)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// residentMemory returns the resident set of a process, in bytes.
func residentMemory(t *testing.T, pid string) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
