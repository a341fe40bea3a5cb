package confine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// takeUser has root become a user of no other process. What the kernel counts
// by user, threads among it, it counts for this process alone then.
func (l *locker) takeUser() (string, error) {
	if l.uid == 0 {
		switch {
		case l.KeepDir && os.Geteuid() == 0 && !l.inUserNamespace:
			return "", unavailable("the process keeps its supervisor's user, root, to whom its files belong")
		case os.Geteuid() == 0 && !l.inUserNamespace:
			return "", unavailable("the process runs as root, and was given no user id")
		}
		return "that of the supervisor", nil
	}
	err := syscall.Setgroups(nil)
	if err == nil {
		err = syscall.Setresgid(l.uid, l.uid, l.uid)
	}
	if err == nil {
		err = syscall.Setresuid(l.uid, l.uid, l.uid)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return "", unavailable("the process cannot take the user id %d: %w", l.uid, err)
	}
	if err != nil {
		return "", fmt.Errorf("taking the user id %d: %w", l.uid, err)
	}
	ids := strings.Repeat("\t"+strconv.Itoa(l.uid), 4)[1:]
	for _, field := range []string{"Uid", "Gid"} {
		l.shows[field] = is(ids)
	}
	l.shows["Groups"] = is("")
	l.alone = true
	// Another user's process has lost what it asked for at its start.
	if err := inEveryThread("prctl", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return "", err
	}
	return fmt.Sprintf("id %d", l.uid), nil
}

// ownUserNamespace tells whether this process is in a user namespace of its own:
// its supervisor's user is 0 there, and there is no other.
func ownUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	f := strings.Fields(string(text))
	return namespaced() && len(f) == 3 && f[0] == "0" && f[2] == "1"
}
