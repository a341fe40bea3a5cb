package escape

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

var processes = []Attempt{
	{Name: "exec", Group: "processes", Does: "become another program", Layers: []string{seccomp, landlock, emptyRoot}, try: func(*World) error {
		return unix.Exec("/proc/self/exe", []string{"sandbox"}, []string{key + `={"attempt":"` + sayDone + `"}`})
	}},
	{Name: "exec-memory", Group: "processes", Does: "become a program made in memory (memfd)", Layers: []string{seccomp}, try: func(*World) error {
		fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			return err
		}
		empty := cString("")
		arguments := []uintptr{0}
		err = call(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(unsafe.Pointer(&arguments[0])), uintptr(unsafe.Pointer(&arguments[0])), unix.AT_EMPTY_PATH)
		return granted(err, unix.ENOEXEC) // it is empty, but would have been run
	}},
	{Name: "fork", Group: "processes", Does: "start a process (clone)", Layers: []string{seccomp}, try: func(*World) error { return fork(0) }},
	{Name: "vfork", Group: "processes", Does: "start one that shares memory (vfork)", Layers: []string{seccomp}, try: func(*World) error { return fork(unix.CLONE_FS) }},
	{Name: "clone3", Group: "processes", Does: "start one by clone3", Layers: []string{seccomp}, try: func(*World) error {
		return granted(call(unix.SYS_CLONE3, 0, 0), unix.EINVAL)
	}},
	{Name: "ptrace", Group: "processes", Does: "have itself traced", Layers: []string{seccomp}, try: func(*World) error {
		return call(unix.SYS_PTRACE, unix.PTRACE_TRACEME)
	}},
	{Name: "ptrace-other", Group: "processes", Does: "trace a neighbour", Layers: []string{seccomp, landlock, capabilities, namespaces, user}, try: func(w *World) error {
		if err := elsewhere(w.Victim); err != nil {
			return err
		}
		return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(w.Victim), 0, 0)
	}},
	{Name: "read-memory", Group: "processes", Does: "read a neighbour's memory", Layers: []string{seccomp, landlock, capabilities, namespaces, user}, try: func(w *World) error {
		secret := make([]byte, len(Treasure))
		local := []unix.Iovec{{Base: &secret[0], Len: uint64(len(secret))}}
		remote := []unix.RemoteIovec{{Base: uintptr(w.Secret), Len: len(secret)}}
		if _, err := unix.ProcessVMReadv(w.Victim, local, remote, 0); err != nil {
			return err
		}
		if string(secret) != Treasure {
			return errors.New("something else was read")
		}
		return nil
	}},
	{Name: "signal", Group: "processes", Does: "send a neighbour a signal", Layers: []string{seccomp, landlock, namespaces, user}, Landlock: 6, try: func(w *World) error {
		return signals(w.Victim)
	}},
	{Name: "signal-parent", Group: "processes", Does: "send the supervisor a signal", Layers: []string{seccomp, landlock, namespaces, user}, Landlock: 6, try: func(w *World) error {
		return signals(w.Parent)
	}},
	{Name: "signal-thread", Group: "processes", Does: "send the supervisor's thread a signal", Layers: []string{seccomp, landlock, namespaces, user}, Landlock: 6, try: func(w *World) error {
		if err := elsewhere(w.Parent); err != nil {
			return err
		}
		return unix.Tgkill(w.Parent, w.Parent, 0)
	}},
	{Name: "handle", Group: "processes", Does: "get a handle of a neighbour (pidfd)", Layers: []string{seccomp, namespaces}, try: func(w *World) error {
		if err := elsewhere(w.Victim); err != nil {
			return err
		}
		_, err := unix.PidfdOpen(w.Victim, 0)
		return err
	}},
	{Name: "take-descriptor", Group: "processes", Does: "take a descriptor out of a neighbour", Layers: []string{seccomp, landlock, capabilities, namespaces, user}, try: func(w *World) error {
		if err := elsewhere(w.Victim); err != nil {
			return err
		}
		fd, err := unix.PidfdOpen(w.Victim, 0)
		if err == nil {
			_, err = unix.PidfdGetfd(fd, 0, 0)
		}
		return err
	}},
	{Name: "priority", Group: "processes", Does: "change a neighbour's priority", Layers: []string{seccomp, capabilities, namespaces, user}, try: func(w *World) error {
		if err := elsewhere(w.Victim); err != nil {
			return err
		}
		return unix.Setpriority(unix.PRIO_PROCESS, w.Victim, 0)
	}},
	{Name: "bind-processor", Group: "processes", Does: "choose the processor it runs on", Layers: []string{seccomp}, try: func(*World) error {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			return err
		}
		return unix.SchedSetaffinity(0, &set)
	}},
}

// elsewhere fails when pid, which another process was told apart by, is one of
// this process's own threads: in a pid namespace of its own numbers begin anew.
func elsewhere(pid int) error {
	if unix.Tgkill(unix.Getpid(), pid, 0) == nil {
		return unix.ESRCH
	}
	return nil
}

func signals(pid int) error {
	if err := elsewhere(pid); err != nil {
		return err
	}
	return unix.Kill(pid, 0)
}

// call makes a system call without telling Go's scheduler.
func call(trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// granted takes an error for success that the kernel returns only after it has
// let the call through: its arguments are chosen to do nothing.
func granted(err, proof error) error {
	if errors.Is(err, proof) {
		return nil
	}
	return err
}

// fork starts a process that ends at once.
func fork(flags uintptr) error {
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		for {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return nil
}
