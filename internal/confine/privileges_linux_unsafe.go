package confine

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noCapability is an empty set of capabilities in a status file.
const noCapability = "0000000000000000"

// inEveryThread makes a system call in every thread of the process.
func inEveryThread(call string, trap, a1, a2, a3, a4, a5 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, a4, a5, 0)
	if errno == syscall.ENOTSUP {
		return errors.New("the binary was built with cgo, whose threads are out of reach: build it with CGO_ENABLED=0")
	}
	if errno != 0 {
		return fmt.Errorf("%s: %w", call, errno)
	}
	return nil
}

func (l *locker) noNewPrivileges() (string, error) {
	l.shows["NoNewPrivs"] = is("1")
	return "", inEveryThread("prctl", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// notDumpable keeps others of the same user from reading the process through
// /proc and ptrace.
func notDumpable() (string, error) {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return "", fmt.Errorf("prctl: %w", err)
	}
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v != 0 {
		return "", fmt.Errorf("it still is dumpable (%d, %v)", v, err)
	}
	return "", nil
}

// dropCapabilities leaves the process's user id, which is worth nothing without
// files. The bounding set stays: it is about what exec may give, which is
// nothing after no-new-privileges.
func (l *locker) dropCapabilities() (string, error) {
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		l.shows[set] = is(noCapability)
	}
	header := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return "", inEveryThread("capset", unix.SYS_CAPSET, uintptr(unsafe.Pointer(header)), uintptr(unsafe.Pointer(&none)), 0, 0, 0)
}
