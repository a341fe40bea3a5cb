package escape

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

var kernel = []Attempt{
	{Name: "io_uring", Group: "kernel", Does: "hand calls over in a ring (io_uring)", Layers: []string{seccomp, rlimits}, try: func(*World) error {
		var params [120]byte
		return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))
	}},
	{Name: "async-io", Group: "kernel", Does: "set up asynchronous input (aio)", Layers: []string{seccomp}, try: func(*World) error {
		var context uintptr
		return call(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&context)))
	}},
	{Name: "bpf", Group: "kernel", Does: "load something into the kernel (bpf)", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		attr := [18]uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1}
		return call(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	}},
	{Name: "perf", Group: "kernel", Does: "measure others (perf events)", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: unix.PERF_COUNT_SW_CPU_CLOCK}
		_, err := unix.PerfEventOpen(attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		return err
	}},
	{Name: "keyring", Group: "kernel", Does: "use the kernel's keyrings (keyctl)", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true)
		return err
	}},
	{Name: "add-key", Group: "kernel", Does: "add a key to a keyring", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.AddKey("user", "bulkhead-attempt", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		return err
	}},
	{Name: "module", Group: "kernel", Does: "load a kernel module", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		empty := cString("") // an image of no bytes
		return granted(call(unix.SYS_INIT_MODULE, 0, 0, uintptr(unsafe.Pointer(&empty[0]))), unix.ENOEXEC)
	}},
	{Name: "new-kernel", Group: "kernel", Does: "load another kernel (kexec)", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		const noSuchFlags, tooMany = 0xdead, 1 << 20
		return granted(call(unix.SYS_KEXEC_LOAD, 0, tooMany, 0, noSuchFlags), unix.EINVAL)
	}},
	{Name: "kernel-log", Group: "kernel", Does: "change what the kernel logs", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		const consoleLevel, noLevel = 8, 99 // so that nothing changes
		return granted(call(unix.SYS_SYSLOG, consoleLevel, 0, noLevel), unix.EINVAL)
	}},
	{Name: "hostname", Group: "kernel", Does: "change the host's name", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		const tooLong = 1 << 20 // so that nothing changes
		return granted(call(unix.SYS_SETHOSTNAME, 0, tooLong), unix.EINVAL)
	}},
	{Name: "clock", Group: "kernel", Does: "set the host's clock", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		const clockRealtime, adjustTick = 0, 0x4000
		wrong := unix.Timex{Modes: adjustTick} // a tick of 0, so that nothing changes
		return granted(call(unix.SYS_CLOCK_ADJTIME, clockRealtime, uintptr(unsafe.Pointer(&wrong))), unix.EINVAL)
	}},
	{Name: "mount", Group: "kernel", Does: "mount a file system", Layers: []string{seccomp, landlock, capabilities, user}, try: func(*World) error {
		root := cString("/")
		err := call(unix.SYS_MOUNT, 0, uintptr(unsafe.Pointer(&root[0])), 0, 0, 0) // of no kind
		return granted(err, unix.EINVAL)
	}},
	{Name: "unmount", Group: "kernel", Does: "unmount one", Layers: []string{seccomp, capabilities, emptyRoot, user}, try: func(w *World) error {
		dir := cString(w.Dir)
		err := call(unix.SYS_UMOUNT2, uintptr(unsafe.Pointer(&dir[0])), 0) // nothing is mounted there
		return granted(err, unix.EINVAL)
	}},
	{Name: "change-root", Group: "kernel", Does: "choose another root directory (chroot)", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		return unix.Chroot("/")
	}},
	{Name: "user-namespace", Group: "kernel", Does: "become root of its own (user namespace)", Layers: []string{seccomp}, try: func(*World) error {
		return fork(unix.CLONE_NEWUSER)
	}},
	{Name: "network-namespace", Group: "kernel", Does: "make a network of its own", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		return fork(unix.CLONE_NEWNET)
	}},
	{Name: "enter-namespace", Group: "kernel", Does: "enter another's namespaces (setns)", Layers: []string{seccomp}, try: func(*World) error {
		return granted(unix.Setns(-1, 0), unix.EBADF)
	}},
	{Name: "unshare", Group: "kernel", Does: "leave its namespaces (unshare)", Layers: []string{seccomp}, try: func(*World) error {
		return unix.Unshare(unix.CLONE_FILES)
	}},
}
