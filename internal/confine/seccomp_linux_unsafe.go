package confine

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// installFilter puts all threads under a profile, and shows in this one that a
// call is refused.
func (l *locker) installFilter() (string, error) {
	program, err := Compile(l.profile, os.Getpid())
	if err != nil {
		return "", err
	}
	if err := install(program); err != nil {
		return "", err
	}
	l.shows["Seccomp"] = is("2")
	if fd, err := unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0); !errors.Is(err, unix.EPERM) {
		if err == nil {
			_ = unix.Close(fd)
		}
		return "", fmt.Errorf("opening a file is not refused, but ends in %v", err)
	}
	return fmt.Sprintf("%d instructions", len(program)), nil
}

// install has the kernel run a program before every system call of every
// thread. That is all or nothing: when one thread cannot be put under it, the
// kernel answers with the thread's id, and no error.
func install(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assembling the filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for n, i := range raw {
		filter[n] = unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K}
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(prog)))
	switch errno {
	case 0:
	case unix.ENOSYS, unix.EINVAL:
		return unavailable("the kernel does not offer it: %w", errno)
	case unix.EACCES:
		return unavailable("the kernel takes no filter of a process without the layer no-new-privileges")
	default:
		return fmt.Errorf("installing the filter: %w", errno)
	}
	if r != 0 {
		return fmt.Errorf("installing the filter: thread %d has another one", r)
	}
	return nil
}
