package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// threads holds the status files of the process's threads, open since before
// the lock: no file can be opened after it. A thread that starts in between has
// what the thread that started it has.
type threads struct {
	status map[string]int // descriptors, by thread id
}

func openThreads() (*threads, error) {
	const dir = "/proc/self/task"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the threads: %w", err)
	}
	t := &threads{status: make(map[string]int)}
	for _, e := range entries {
		fd, err := unix.Open(dir+"/"+e.Name()+"/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.ENOENT) {
			continue // the thread has ended
		}
		if err != nil {
			t.close()
			return nil, fmt.Errorf("opening the status of thread %s: %w", e.Name(), err)
		}
		t.status[e.Name()] = fd
	}
	return t, nil
}

func (t *threads) close() {
	for _, fd := range t.status {
		_ = unix.Close(fd)
	}
}

// check reads the status of every thread, which works once, and compares the
// fields in want.
func (t *threads) check(want map[string]string) error {
	buf := make([]byte, 16<<10)
	seen := 0
	for id, fd := range t.status {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return fmt.Errorf("reading the status of thread %s: %w", id, err)
		}
		if err := checkStatus(string(buf[:n]), want); err != nil {
			return fmt.Errorf("thread %s: %w", id, err)
		}
		seen++
	}
	if seen == 0 {
		return errors.New("no thread's status can be read")
	}
	return nil
}

// checkStatus compares fields of a status file.
func checkStatus(status string, want map[string]string) error {
	got := make(map[string]string)
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		got[name] = strings.TrimSpace(value)
	}
	for name, value := range want {
		if got[name] != value {
			return fmt.Errorf("%s is %q, not %q", name, got[name], value)
		}
	}
	return nil
}
