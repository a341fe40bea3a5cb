package escape

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const pageSize = 4096

var memory = []Attempt{
	{Name: "map-rwx", Group: "memory", Does: "map memory to write and run", Layers: []string{seccomp, sealedCode}, try: func(*World) error {
		return maps(unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, -1)
	}},
	{Name: "map-rx", Group: "memory", Does: "map memory to run", Layers: []string{seccomp}, try: func(*World) error {
		return maps(unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, -1)
	}},
	{Name: "map-file", Group: "memory", Does: "map a file made in memory, to run", Layers: []string{seccomp}, try: func(*World) error {
		fd, err := unix.MemfdCreate("code", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			return err
		}
		return maps(unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED, fd)
	}},
	{Name: "protect", Group: "memory", Does: "make written memory executable", Layers: []string{seccomp, sealedCode}, try: func(*World) error {
		page, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		page[0] = 0xc3
		return unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC)
	}},
	{Name: "protect-key", Group: "memory", Does: "the same by protection keys", Layers: []string{seccomp, sealedCode}, try: func(*World) error {
		page, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		return call(unix.SYS_PKEY_MPROTECT, uintptr(unsafe.Pointer(&page[0])), pageSize, unix.PROT_READ|unix.PROT_EXEC, ^uintptr(0))
	}},
	{Name: "rewrite-code", Group: "memory", Does: "make its own code writable", Layers: []string{seccomp, sealedCode}, try: func(*World) error {
		return call(unix.SYS_MPROTECT, codePage(), pageSize, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
	}},
	{Name: "move-memory", Group: "memory", Does: "move mappings about (mremap)", Layers: []string{seccomp}, try: func(*World) error {
		page, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		return call(unix.SYS_MREMAP, uintptr(unsafe.Pointer(&page[0])), pageSize, 2*pageSize, unix.MREMAP_MAYMOVE, 0)
	}},
	{Name: "read-implies-exec", Group: "memory", Does: "have all memory be executable (personality)", Layers: []string{seccomp}, try: func(*World) error {
		return call(unix.SYS_PERSONALITY, 0x400000)
	}},
	{Name: "shared-memory", Group: "memory", Does: "share memory with others (System V)", Layers: []string{seccomp}, try: func(*World) error {
		id, err := unix.SysvShmGet(unix.IPC_PRIVATE, pageSize, 0o600)
		if err == nil {
			_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
		return err
	}},
	{Name: "message-queue", Group: "memory", Does: "make a queue of messages (System V)", Layers: []string{seccomp}, try: func(*World) error {
		id, _, errno := unix.RawSyscall(unix.SYS_MSGGET, unix.IPC_PRIVATE, 0o600, 0)
		if errno != 0 {
			return errno
		}
		return call(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0)
	}},
	{Name: "lock-memory", Group: "memory", Does: "keep memory from being swapped out", Layers: []string{seccomp, rlimits}, try: func(*World) error {
		page, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		return unix.Mlock(page)
	}},
	{Name: "fault-handler", Group: "memory", Does: "handle page faults itself (userfaultfd)", Layers: []string{seccomp}, try: func(*World) error {
		const userModeOnly = 1
		return call(unix.SYS_USERFAULTFD, userModeOnly|unix.O_CLOEXEC)
	}},
}

func maps(prot, flags uintptr, fd int) error {
	return call(unix.SYS_MMAP, 0, pageSize, prot, flags, uintptr(fd), 0)
}

// codePage is where this function's own code is.
func codePage() uintptr {
	f := opens
	return **(**uintptr)(unsafe.Pointer(&f)) &^ (pageSize - 1)
}
