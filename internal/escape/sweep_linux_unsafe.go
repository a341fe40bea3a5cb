package escape

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// The sweep makes every system call there is with arguments that are nonsense:
// neither an address, nor a descriptor, nor a process. A call that should kill
// needs a process of its own. So the sweeping process, which has all layers but
// seccomp, starts one for each number, which puts itself under the filter.
const (
	lastCall = 600
	nonsense = 0x7fff_ffff
)

var sweep = Attempt{
	Name: "every-call", Group: "kernel", Does: "make each system call from 0 to 600",
	Layers: []string{seccomp}, Filters: true,
	try: func(w *World) error {
		if w.unfiltered {
			// Not all of them: some would do something.
			_, err := survivors(nil, []uint32{unix.SYS_GETPPID, unix.SYS_GETUID, unix.SYS_GETGID})
			return err
		}
		program, err := assemble(w.profile)
		if err != nil {
			return err
		}
		allowed, err := confine.Allowed(w.profile)
		if err != nil {
			return err
		}
		var rest []uint32
		for number := range uint32(lastCall + 1) {
			if !slices.Contains(allowed, number) && !slices.Contains(unfiltered, number) {
				rest = append(rest, number)
			}
		}
		through, err := survivors(program, rest)
		if err != nil {
			return err
		}
		if len(through) > 0 {
			w.note = fmt.Sprint("got through: ", through)
			return nil
		}
		return fmt.Errorf("%d %w", len(rest), errKilled)
	},
}

func assemble(profile []byte) (*unix.SockFprog, error) {
	program, err := confine.Compile(profile, os.Getpid())
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return nil, err
	}
	filter := make([]unix.SockFilter, len(raw))
	for n, i := range raw {
		filter[n] = unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K}
	}
	return &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}, nil
}

// survivors returns the calls that the filter did not kill a process for.
func survivors(filter *unix.SockFprog, numbers []uint32) (through []uint32, err error) {
	for _, number := range numbers {
		pid, errno := callInChild(filter, uintptr(number))
		if errno != 0 {
			return nil, fmt.Errorf("starting a process: %w", errno)
		}
		var status syscall.WaitStatus
		for {
			_, err = syscall.Wait4(int(pid), &status, 0, nil)
			if err != syscall.EINTR {
				break
			}
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("waiting for a process: %w", err)
		case status.Exited() && status.ExitStatus() == notFiltered:
			return nil, fmt.Errorf("a process could not be put under the filter")
		case !status.Signaled() || status.Signal() != syscall.SIGSYS:
			through = append(through, number)
		}
	}
	return through, nil
}

const (
	gotThrough  = 97 // what Go itself never ends with
	notFiltered = 98
)

// callInChild makes a call in a new process. That is a copy of one thread of
// this one, in which Go does not work: it makes system calls and ends.
//
//go:norace
//go:nosplit
func callInChild(filter *unix.SockFprog, number uintptr) (pid uintptr, errno syscall.Errno) {
	pid, _, errno = unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	status := uintptr(gotThrough)
	_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
	if filter != nil {
		if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(filter))); errno != 0 {
			status, number = notFiltered, unix.SYS_GETPID
		}
	}
	_, _, _ = unix.RawSyscall6(number, nonsense, nonsense, nonsense, nonsense, nonsense, nonsense)
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, status, 0, 0)
	}
}
