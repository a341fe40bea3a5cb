package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
)

// ReadMemory measures what is left to this process and those it starts: the
// least of what the machine has, what each cgroup (version 2) that it is in
// allows, and what GOMEMLIMIT leaves the supervisor itself.
func ReadMemory() (Memory, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Memory{}, err
	}
	fields := numbers(text)
	m := Memory{Available: fields["MemAvailable:"] << 10, Total: fields["MemTotal:"] << 10, Stalled: stalled("/proc/pressure/memory")}
	if m.Total == 0 {
		return Memory{}, fmt.Errorf("/proc/meminfo does not say how much memory there is")
	}
	if own, err := cgroup.Own(); err == nil {
		for dir := own; dir != filepath.Dir(dir); dir = filepath.Dir(dir) { // above the groups there are no such files
			m.hold(cgroupMemory(dir))
			m.Stalled = max(m.Stalled, stalled(filepath.Join(dir, "memory.pressure")))
		}
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
		metrics.Read(sample)
		used := sample[0].Value.Uint64() - sample[1].Value.Uint64() - sample[2].Value.Uint64()
		m.hold(Memory{Available: limit - int64(used), Total: limit}, true)
	}
	return m, nil
}

// hold takes over a limit that leaves a smaller share than what is known.
func (m *Memory) hold(other Memory, ok bool) {
	if ok && float64(other.Available)*float64(m.Total) < float64(m.Available)*float64(other.Total) {
		m.Available, m.Total = max(other.Available, 0), other.Total
	}
}

func cgroupMemory(dir string) (m Memory, ok bool) {
	limit, err := readNumber(filepath.Join(dir, "memory.max"))
	if err != nil {
		return m, false // also when it says max
	}
	if high, err := readNumber(filepath.Join(dir, "memory.high")); err == nil {
		limit = min(limit, high)
	}
	current, err := readNumber(filepath.Join(dir, "memory.current"))
	if err != nil || limit == 0 {
		return m, false
	}
	stat, _ := os.ReadFile(filepath.Join(dir, "memory.stat")) // without it, all counts as in use
	return Memory{Available: limit - current + numbers(stat)["inactive_file"], Total: limit}, true
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// numbers reads lines of a name and a number.
func numbers(text []byte) map[string]int64 {
	found := make(map[string]int64)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 {
			if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				found[fields[0]] = n
			}
		}
	}
	return found
}

// stalled reads the share of the last ten seconds in which all waited for
// memory; 0 where the kernel does not say.
func stalled(path string) float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if _, rest, ok := strings.Cut(line, "full avg10="); ok {
			number, _, _ := strings.Cut(rest, " ")
			share, err := strconv.ParseFloat(number, 64)
			if err == nil {
				return share
			}
		}
	}
	return 0
}
