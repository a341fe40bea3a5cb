package escape

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var privileges = []Attempt{
	{Name: "gain-privileges", Group: "privileges", Does: "gain by set-user-id programs", Layers: []string{seccomp, landlock, noNewPrivileges}, try: func(*World) error {
		if v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || v != 0 {
			return fmt.Errorf("no_new_privs is %d (%w)", v, notThere(err))
		}
		return nil
	}},
	{Name: "be-read", Group: "privileges", Does: "let neighbours read it (dumpable)", Layers: []string{seccomp, notDumpable, user}, try: func(*World) error {
		if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v == 0 {
			return fmt.Errorf("dumpable is %d (%w)", v, notThere(err))
		}
		return nil
	}},
	{Name: "be-read-again", Group: "privileges", Does: "become readable for neighbours again", Layers: []string{seccomp}, try: func(*World) error {
		return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}},
	{Name: "outlive", Group: "privileges", Does: "live on after its supervisor", Layers: []string{seccomp}, try: func(*World) error {
		return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
	}},
	{Name: "raise-limit", Group: "privileges", Does: "raise its own limits", Layers: []string{seccomp, rlimits}, try: func(*World) error {
		const more = 5 << 30 // than a locked process may have, and less than others
		return unix.Prlimit(0, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: more, Max: more}, nil)
	}},
	{Name: "other-limit", Group: "privileges", Does: "read a neighbour's limits", Layers: []string{seccomp, namespaces, user}, try: func(w *World) error {
		if err := elsewhere(w.Victim); err != nil {
			return err
		}
		var now unix.Rlimit
		return unix.Prlimit(w.Victim, unix.RLIMIT_NOFILE, nil, &now)
	}},
	{Name: "be-another", Group: "privileges", Does: "become another user", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		return call(unix.SYS_SETRESUID, ^uintptr(0), 12345, ^uintptr(0)) // this thread's
	}},
	{Name: "be-root-again", Group: "privileges", Does: "become root again", Layers: []string{seccomp, user}, try: func(*World) error {
		return call(unix.SYS_SETRESUID, 0, 0, 0)
	}},
	{Name: "capability", Group: "privileges", Does: "ask for a capability", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		return takeCapability()
	}},
	{Name: "another-filter", Group: "privileges", Does: "install a filter of its own", Layers: []string{seccomp}, try: func(*World) error {
		const strict = 0
		return granted(call(unix.SYS_SECCOMP, strict, 1, 0), unix.EINVAL)
	}},
}

// notThere stands for an error that the kernel did not give.
func notThere(err error) error {
	if err == nil {
		return unix.EPERM
	}
	return err
}
