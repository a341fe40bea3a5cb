package confine

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespaces has a process start in namespaces of its own: pid, net, mount, ipc,
// uts, cgroup, and user where the starter is not root. They are all there, or the
// start fails.
//
// Root needs no user namespace, and gets none: the process takes a user id of its
// own instead, which is worth the same and costs nothing, while the start of a process
// in a user namespace copies the starter's page tables (13 ms at 300 MiB).
// Anybody else is 0 in a user namespace in which there is no other user.
func Namespaces(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if os.Geteuid() == 0 {
		return
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	attr.GidMappingsEnableSetgroups = false
}

// namespaced tells whether this process was started with Namespaces: then it is
// the first of its pid namespace.
func namespaced() bool { return os.Getpid() == 1 }

func (l *locker) checkNamespaces() (string, error) {
	if !namespaced() {
		return "", unavailable("the process was not started in namespaces of its own")
	}
	l.shows["NStgid"] = func(v string) bool { return isInit(v) }
	if l.inUserNamespace {
		return "user, pid, net, mount, ipc, uts, cgroup", nil
	}
	return "pid, net, mount, ipc, uts, cgroup", nil
}
