package escape

import (
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// x32Bit marks system calls of the x32 ABI.
const x32Bit = 0x4000_0000

// unfiltered are calls about which Linux (6.14 and newer) does not ask a
// filter: uretprobe and uprobe. They are for code that the kernel's own tracer has
// put into a process; the kernel kills whoever makes them from elsewhere.
var unfiltered = []uint32{335, 336}

// machine are the attempts that only this architecture offers, and the sweep.
var machine = []Attempt{
	sweep,
	{Name: "x32", Group: "kernel", Does: "call the kernel in the x32 way", Layers: []string{seccomp}, try: func(*World) error {
		return call(unix.SYS_GETPID | x32Bit)
	}},
	{Name: "int80", Group: "kernel", Does: "call the kernel in the 32-bit way (int 0x80)", Layers: []string{seccomp}, try: call32},
	{Name: "ports", Group: "kernel", Does: "reach the machine's ports (iopl)", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		return call(unix.SYS_IOPL, 3)
	}},
	{Name: "segments", Group: "kernel", Does: "change segment descriptors (modify_ldt)", Layers: []string{seccomp}, try: func(*World) error {
		const read = 0
		var buf [16]byte
		return call(unix.SYS_MODIFY_LDT, read, uintptr(unsafe.Pointer(&buf)), unsafe.Sizeof(buf))
	}},
}

// int80 makes a system call of the 32-bit ABI that has no arguments.
func int80(number uint32) int32

func call32(*World) (err error) {
	debug.SetPanicOnFault(true)
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the kernel has no 32-bit system calls")
		}
	}()
	const getpid = 20
	if pid := int80(getpid); int(pid) != unix.Getpid() {
		return fmt.Errorf("it returned %d", pid)
	}
	return nil
}
