package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"

	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// support says what this machine's kernel has for a layer, in a few words.
func support(layer string) string {
	if f, ok := supports[layer]; ok {
		return f()
	}
	return ""
}

var supports = map[string]func() string{
	"sealed-code": func() string {
		_, _, errno := unix.RawSyscall(unix.SYS_MSEAL, 0, 0, 0) // of nothing
		return has(errno != unix.ENOSYS && errno != unix.EPERM, "mseal")
	},
	confine.Cgroup: func() string {
		_, err := cgroup.Own()
		return has(err == nil, "version 2")
	},
	"namespaces": namespaces,
	"empty-root": func() string { return has(exists("/proc/self/ns/mnt"), "mount namespaces") },
	"user":       func() string { return "user ids" },
	"no-new-privileges": func() string {
		_, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		return has(err == nil, "no_new_privs")
	},
	"not-dumpable": func() string { return "dumpable" },
	"rlimits":      func() string { return "rlimits" },
	"capabilities": func() string { return "version 3" },
	"landlock": func() string {
		version, err := llsys.LandlockGetABIVersion()
		switch {
		case errors.Is(err, unix.EOPNOTSUPP):
			return "built in, off at boot"
		case err != nil || version <= 0:
			return "none"
		}
		return fmt.Sprintf("version %d", version)
	},
	"seccomp": func() string {
		actions := read("/proc/sys/kernel/seccomp/actions_avail")
		return has(strings.Contains(actions, "kill_process"), "filters")
	},
}

func namespaces() string {
	var missing []string
	for _, name := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
		if !exists("/proc/self/ns/" + name) {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return "no " + strings.Join(missing, ", ")
	}
	return "all seven"
}

func has(ok bool, what string) string {
	if !ok {
		return "none"
	}
	return what
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// read returns a file of the kernel's without the newline, or "" when there is
// none.
func read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
