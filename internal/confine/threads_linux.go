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

// check reads the status of every thread, which works once, and looks at the
// fields in want.
func (t *threads) check(want map[string]func(string) bool) error {
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

// checkStatus looks at fields of a status file.
func checkStatus(status string, want map[string]func(string) bool) error {
	got := make(map[string]string)
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		got[name] = strings.TrimSpace(value)
	}
	for name, right := range want {
		if !right(got[name]) {
			return fmt.Errorf("%s is %q", name, got[name])
		}
	}
	return nil
}

// is returns what holds for one value.
func is(want string) func(string) bool { return func(v string) bool { return v == want } }

// isInit holds for the NStgid of the first process of a namespace below ours.
func isInit(v string) bool {
	ids := strings.Fields(v)
	return len(ids) > 1 && ids[len(ids)-1] == "1"
}
