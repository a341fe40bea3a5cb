package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// removeTimeout is how long the kernel may take to be rid of killed processes.
const removeTimeout = 5 * time.Second

// Group is one group. It is made for one process, and used by one goroutine at
// a time, save for Kill.
type Group struct {
	tree *Tree // nil for what was left over
	path string
	dir  *os.File
}

func openGroup(path string) (*Group, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &Group{path: path, dir: dir}, nil
}

// Dir is the directory, for starting a process in the group. It stays the
// group's.
func (g *Group) Dir() *os.File { return g.dir }

// Started is called when nothing will be started in the group any more: it
// closes Dir, for there may be a thousand groups.
func (g *Group) Started() { _ = g.dir.Close() }

// Limits are what the processes of a group may use together. Zero leaves
// something as it is.
type Limits struct {
	Memory int64   // bytes; there is no swap beside it
	CPU    float64 // processors: 0.5 is half of one; or NoLimit
	Weight int     // 1 to 10000; the kernel's default is 100
	PIDs   int     // processes and threads
}

// NoLimit takes a limit of CPU time away.
const NoLimit = -1

// cpuPeriod is what the kernel divides CPU time by: whoever has used up his
// share waits for the next one.
const cpuPeriod = 100_000 // microseconds

// Limit sets limits, as far as their controllers apply, and proves that they
// are in force.
func (g *Group) Limit(l Limits) error {
	var errs []error
	set := func(controller, file, value string) {
		if g.tree.Has(controller) {
			errs = append(errs, g.set(file, value))
		}
	}
	if l.Memory > 0 {
		// What is over the limit is killed, whole and at once. Without swap, to
		// slow it down before (memory.high) would only make it miss its deadline.
		set("memory", "memory.oom.group", "1")
		if _, err := os.Stat(filepath.Join(g.path, "memory.swap.max")); err == nil { // a kernel without swap has none
			set("memory", "memory.swap.max", "0")
		}
		page := int64(os.Getpagesize())
		set("memory", "memory.max", strconv.FormatInt(l.Memory/page*page, 10))
	}
	if l.CPU == NoLimit {
		set("cpu", "cpu.max", fmt.Sprintf("max %d", cpuPeriod))
	} else if l.CPU > 0 {
		set("cpu", "cpu.max", fmt.Sprintf("%d %d", max(int64(l.CPU*cpuPeriod), 1000), cpuPeriod))
	}
	if l.Weight > 0 {
		set("cpu", "cpu.weight", strconv.Itoa(l.Weight))
	}
	if l.PIDs > 0 {
		set("pids", "pids.max", strconv.Itoa(l.PIDs))
	}
	return errors.Join(errs...)
}

func (g *Group) set(file, value string) error {
	path := filepath.Join(g.path, file)
	if err := write(path, value); err != nil {
		return fmt.Errorf("%s = %s: %w", file, value, err)
	}
	got, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(got)) != value {
		err = fmt.Errorf("%s was set to %s and is %.100s", file, value, strings.TrimSpace(string(got)))
	}
	return err
}

// OOMKilled reports whether the kernel has killed a process of the group since
// it took more memory than the limit.
func (g *Group) OOMKilled() bool {
	data, err := os.ReadFile(filepath.Join(g.path, "memory.events"))
	if err != nil {
		return false
	}
	n, ok := parseFlat(string(data))["oom_kill"]
	return ok && n > 0
}

// CPU is the CPU time that the group's processes have used, also those that
// have ended.
func (g *Group) CPU() (time.Duration, error) {
	data, err := os.ReadFile(filepath.Join(g.path, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	n, ok := parseFlat(string(data))["usage_usec"]
	if !ok {
		return 0, fmt.Errorf("%s/cpu.stat has no usage_usec", g.path)
	}
	return time.Duration(min(n, 1<<53)) * time.Microsecond, nil
}

// Kill kills all processes of the group. It needs Linux 5.14, and does nothing
// before.
func (g *Group) Kill() error {
	err := write(filepath.Join(g.path, "cgroup.kill"), "1")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove removes the group, once its processes are gone: it kills what is left
// of them, and waits. It may be called often.
func (g *Group) Remove() error {
	var err error
	for end := time.Now().Add(removeTimeout); ; time.Sleep(time.Millisecond) {
		err = os.Remove(g.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			break
		}
		if kill := g.Kill(); kill != nil && !errors.Is(kill, fs.ErrNotExist) && !errors.Is(kill, syscall.ENODEV) {
			err = kill
			break
		}
	}
	_ = g.dir.Close()
	return err
}
