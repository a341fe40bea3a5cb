package confine

import (
	"maps"

	"golang.org/x/sys/unix"
)

// numbers are those of the calls that a profile may name, on the architecture
// that this is built for. A call that one of our architectures lacks does not
// compile here. It is not a table of all calls, since every process would hold it.
var numbers = withOwn(map[string]uint32{
	"accept4":         unix.SYS_ACCEPT4,
	"clock_gettime":   unix.SYS_CLOCK_GETTIME,
	"clone":           unix.SYS_CLONE,
	"close":           unix.SYS_CLOSE,
	"epoll_ctl":       unix.SYS_EPOLL_CTL,
	"epoll_pwait":     unix.SYS_EPOLL_PWAIT,
	"exit":            unix.SYS_EXIT,
	"exit_group":      unix.SYS_EXIT_GROUP,
	"fchown":          unix.SYS_FCHOWN,
	"fcntl":           unix.SYS_FCNTL,
	"fstat":           unix.SYS_FSTAT,
	"fsync":           unix.SYS_FSYNC,
	"ftruncate":       unix.SYS_FTRUNCATE,
	"futex":           unix.SYS_FUTEX,
	"getcwd":          unix.SYS_GETCWD,
	"geteuid":         unix.SYS_GETEUID,
	"getpid":          unix.SYS_GETPID,
	"getppid":         unix.SYS_GETPPID,
	"getrandom":       unix.SYS_GETRANDOM,
	"getrusage":       unix.SYS_GETRUSAGE,
	"getsockopt":      unix.SYS_GETSOCKOPT,
	"gettid":          unix.SYS_GETTID,
	"ioctl":           unix.SYS_IOCTL,
	"madvise":         unix.SYS_MADVISE,
	"memfd_create":    unix.SYS_MEMFD_CREATE,
	"mmap":            unix.SYS_MMAP,
	"munmap":          unix.SYS_MUNMAP,
	"nanosleep":       unix.SYS_NANOSLEEP,
	"openat":          unix.SYS_OPENAT,
	"prctl":           unix.SYS_PRCTL,
	"pread64":         unix.SYS_PREAD64,
	"pwrite64":        unix.SYS_PWRITE64,
	"read":            unix.SYS_READ,
	"recvmsg":         unix.SYS_RECVMSG,
	"restart_syscall": unix.SYS_RESTART_SYSCALL,
	"rt_sigprocmask":  unix.SYS_RT_SIGPROCMASK,
	"rt_sigreturn":    unix.SYS_RT_SIGRETURN,
	"sched_yield":     unix.SYS_SCHED_YIELD,
	"sigaltstack":     unix.SYS_SIGALTSTACK,
	"statfs":          unix.SYS_STATFS,
	"tgkill":          unix.SYS_TGKILL,
	"write":           unix.SYS_WRITE,
})

// withOwn adds the calls that only this architecture has.
func withOwn(common map[string]uint32) map[string]uint32 {
	maps.Copy(common, ownNumbers)
	return common
}
