package confine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// installFilter puts all threads under the profile, and shows in this one that
// a call is refused: getppid, which every profile refuses for that.
func (l *locker) installFilter() (string, error) {
	program, err := Compile(l.Profile, os.Getpid())
	if err != nil {
		return "", err
	}
	if err := install(program); err != nil {
		return "", err
	}
	l.shows["Seccomp"] = is("2")
	if _, _, errno := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); errno != unix.EPERM {
		return "", fmt.Errorf("getppid is not refused, but ends in %v", errno)
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
