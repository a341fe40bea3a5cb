package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	idleTenants = 1000
	idleMost    = 6 * time.Minute // for all of them to be deployed and to have a process
	idleEach    = 14 << 20        // bytes that a process may come to, to choose how many fit
	idleSpared  = 3 << 30         // bytes that are left to the machine
	idleClients = 8
)

// idleProcesses measures what many tenants take that have been served and wait.
func idleProcesses(b *bench) error {
	count, err := idleRoom()
	if err != nil {
		return err
	}
	s, err := b.serve("idle", 2, fmt.Sprintf("max_processes: %d", count+100), "idle_ttl: 24h", "low_memory: 512MiB", "critical_memory: 256MiB")
	if err != nil {
		return err
	}
	return errors.Join(b.idle(s, count), s.stop())
}

// idleRoom returns for how many processes there is memory, and makes room for
// their descriptors.
func idleRoom() (int, error) {
	m, err := supervisor.ReadMemory()
	if err != nil {
		return 0, err
	}
	count := min(idleTenants, int((m.Available-idleSpared)/idleEach))
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, err
	}
	if want := uint64(20 * count); files.Max < want {
		raised := syscall.Rlimit{Cur: want, Max: want}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			files = raised
		}
	}
	if files.Cur < files.Max {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: files.Max, Max: files.Max}); err != nil {
			return 0, err
		}
	}
	count = min(count, int(files.Max/12))
	if count < 10 {
		return 0, fmt.Errorf("there is room for %d processes only", count)
	}
	return count, nil
}

func (b *bench) idle(s *server, count int) error {
	pids := make([]int, count)
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, idleClients)
	end := time.Now().Add(idleMost)
	for client := range idleClients {
		all.Go(func() {
			c, err := s.again()
			if err != nil {
				errs[client] = err
				return
			}
			defer c.conn.Close()
			for n := int(next.Add(1)) - 1; n < count && time.Now().Before(end) && b.ctx.Err() == nil; n = int(next.Add(1)) - 1 {
				tenant := fmt.Sprintf("idle-%d", n)
				if errs[client] = c.deploy(tenant, small); errs[client] == nil {
					pids[n], errs[client] = c.process(tenant)
				}
				if errs[client] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	time.Sleep(5 * idle)
	alive, readable := 0, true
	var private []float64
	for _, pid := range pids {
		if pid == 0 || syscall.Kill(pid, 0) != nil {
			continue
		}
		alive++
		kib, err := privateMemory(pid)
		if errors.Is(err, os.ErrPermission) {
			readable = false
			continue
		}
		if err != nil {
			return err
		}
		private = append(private, kib/1024)
	}
	resident, err := residentMemory(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	b.add("idle tenant processes alive at once", fmt.Sprintf("≥ %d", idleTenants), alive >= idleTenants, "%d", alive)
	if readable {
		most := percentile(private, 1)
		b.add("  private memory of each", "≤ 10 MiB", most <= 10, "%.1f MiB (the largest %.1f MiB)", median(private), most)
	} else {
		b.add("  private memory of each", "≤ 10 MiB", false, "to be read by root only")
	}
	b.add("  resident memory of their supervisor", "≤ 300 MiB", resident <= 300, "%.0f MiB", resident)
	return nil
}

// residentMemory returns what a process has resident, in MiB.
func residentMemory(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no resident memory", pid)
}
