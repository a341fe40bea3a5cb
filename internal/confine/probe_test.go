package confine

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/policies/seccomp"
)

// A probe ends with one of these on its stdout, or is killed.
const (
	saidDone    = "done"
	saidRefused = "refused: "
	saidNoLock  = "no lock: "
)

// escape is something that a compromised sandbox would like to do, and that
// works in a process of the same user that is not locked.
type escape struct {
	name string
	// layers are those that stop it, each for itself.
	layers []string
	// try fails when it was refused.
	try func() error
}

func call(trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func openFile() error {
	_, err := unix.Open("/proc/self/exe", unix.O_RDONLY, 0)
	return err
}

func createFile() error {
	_, err := unix.Open(os.Getenv(targetKey)+"/created", unix.O_RDWR|unix.O_CREAT, 0o600)
	return err
}

// connect reaches the test's own listener, whose port is the target.
func connect() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	var port int
	if _, err := fmt.Sscan(os.Getenv(targetKey), &port); err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

func udpSocket() error {
	_, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	return err
}

func unixSocket() error {
	_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	return err
}

func execute() error { return unix.Exec("/bin/echo", []string{"echo", saidDone}, nil) }

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

func mapExecutable(prot uintptr) error {
	return call(unix.SYS_MMAP, 0, 4096, prot, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0)
}

func protectExecutable() error {
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC)
}

// other is the test's own process.
func other() int {
	pid, err := strconv.Atoi(os.Getenv(targetKey))
	if err != nil {
		say(err.Error())
	}
	return pid
}

func abstractSocket() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	return unix.Connect(fd, &unix.SockaddrUnix{Name: os.Getenv(targetKey)})
}

// loopback fails when there is no network, not even one that is only here.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	if request.Uint16()&unix.IFF_UP == 0 {
		return errors.New("lo is down")
	}
	return nil
}

func listRoot() error {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	buf := make([]byte, 4096)
	n, err := unix.Getdents(fd, buf)
	if err != nil {
		return err
	}
	if _, _, names := unix.ParseDirent(buf[:n], -1, nil); len(names) == 0 {
		return errors.New("it is empty")
	}
	return nil
}

// protectCode makes the program's own code writable.
func protectCode() error {
	at := reflect.ValueOf(protectCode).Pointer() &^ 4095
	return call(unix.SYS_MPROTECT, at, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
}

func readParent() error {
	// An address that is surely not mapped: EFAULT means that access was granted.
	local, remote := make([]byte, 1), unix.RemoteIovec{Base: 1, Len: 1}
	_, err := unix.ProcessVMReadv(other(), []unix.Iovec{{Base: &local[0], Len: 1}}, []unix.RemoteIovec{remote}, 0)
	if errors.Is(err, unix.EFAULT) {
		return nil
	}
	return err
}

// raiseLimit asks for less than an unlocked process may have.
func raiseLimit() error {
	return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 1}, nil)
}

func ioURing() error {
	var params [120]byte
	return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))
}

func bpfMap() error {
	attr := [18]uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1}
	return call(unix.SYS_BPF, unix.BPF_MAP_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
}

func perfEvent() error {
	attr := &unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: unix.PERF_COUNT_SW_CPU_CLOCK}
	_, err := unix.PerfEventOpen(attr, 0, -1, -1, 0)
	return err
}

func keyring() error {
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true)
	return err
}

func hostname() error { return unix.Sethostname([]byte(os.Getenv(targetKey))) }

func gainPrivileges() error {
	if v, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || v != 0 {
		return fmt.Errorf("no_new_privs is %d, %v", v, err)
	}
	return nil
}

func beDumped() error {
	if v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || v == 0 {
		return fmt.Errorf("dumpable is %d, %v", v, err)
	}
	return nil
}

var escapes = []escape{
	{"open", []string{"seccomp", "landlock", "empty-root"}, openFile},
	{"list", []string{"seccomp", "landlock", "empty-root"}, listRoot},
	{"create", []string{"seccomp", "landlock", "empty-root"}, createFile},
	{"mount", []string{"seccomp", "landlock", "capabilities", "user"}, func() error { return unix.Mount("x", "/", "tmpfs", 0, "") }},
	{"connect", []string{"seccomp", "landlock", "namespaces"}, connect},
	{"abstract", []string{"seccomp", "landlock", "namespaces"}, abstractSocket},
	{"loopback", []string{"seccomp", "namespaces"}, loopback},
	{"udp", []string{"seccomp"}, udpSocket},
	{"unix", []string{"seccomp"}, unixSocket},
	{"exec", []string{"seccomp", "landlock", "empty-root"}, execute},
	{"fork", []string{"seccomp"}, func() error { return fork(0) }},
	{"vfork", []string{"seccomp"}, func() error { return fork(unix.CLONE_FS) }},
	{"namespace", []string{"seccomp"}, func() error { return fork(unix.CLONE_NEWUSER) }},
	{"ptrace", []string{"seccomp"}, func() error { return call(unix.SYS_PTRACE, unix.PTRACE_TRACEME) }},
	{"kill", []string{"seccomp", "landlock", "namespaces", "user"}, func() error { return unix.Kill(other(), 0) }},
	{"tgkill", []string{"seccomp", "landlock", "namespaces", "user"}, func() error { return unix.Tgkill(other(), other(), 0) }},
	{"pidfd", []string{"seccomp", "namespaces"}, func() error { _, err := unix.PidfdOpen(other(), 0); return err }},
	{"read-memory", []string{"seccomp", "landlock", "capabilities", "namespaces", "user"}, readParent},
	{"map-rwx", []string{"seccomp", "sealed-code"}, func() error { return mapExecutable(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC) }},
	{"map-rx", []string{"seccomp"}, func() error { return mapExecutable(unix.PROT_READ | unix.PROT_EXEC) }},
	{"mprotect", []string{"seccomp", "sealed-code"}, protectExecutable},
	{"mprotect-code", []string{"seccomp", "sealed-code"}, protectCode},
	{"personality", []string{"seccomp"}, func() error { return call(unix.SYS_PERSONALITY, 0x400000) }}, // READ_IMPLIES_EXEC
	{"limit", []string{"seccomp", "rlimits"}, raiseLimit},
	{"hostname", []string{"seccomp", "capabilities", "user"}, hostname},
	{"become-root", []string{"seccomp", "user"}, func() error { return call(unix.SYS_SETRESUID, 0, 0, 0) }},
	{"io_uring", []string{"seccomp", "rlimits"}, ioURing},
	{"bpf", []string{"seccomp", "capabilities", "user"}, bpfMap},
	{"keyctl", []string{"seccomp"}, keyring},
	{"userfaultfd", []string{"seccomp"}, func() error { return call(unix.SYS_USERFAULTFD, 1) }}, // UFFD_USER_MODE_ONLY
	{"perf", []string{"seccomp", "capabilities", "user"}, perfEvent},
	{"privileges", []string{"seccomp", "landlock", "no-new-privileges"}, gainPrivileges},
	{"dumpable", []string{"seccomp", "not-dumpable", "user"}, beDumped},
}

// runProbe locks the process, tries to escape, and ends.
func runProbe(name string) {
	time.AfterFunc(time.Minute, func() { os.Exit(9) }) // whatever becomes of the test
	if name == "diverged" {
		diverge()
	}
	modes := make(Modes)
	for _, layer := range strings.FieldsFunc(os.Getenv(withoutKey), func(r rune) bool { return r == ',' }) {
		modes[layer] = Off
	}
	uid, err := strconv.Atoi(os.Getenv(uidKey))
	if err != nil {
		say(err.Error())
	}
	l := newLocker(Options{Profile: seccomp.Sandbox, KeepDir: name == "keep-dir"}, Config{Modes: modes, UID: uid})
	if name == "keep-dir" {
		keepDir(l)
	}
	report, err := l.lock(modes)
	if err != nil {
		say(saidNoLock + err.Error())
	}
	switch name {
	case "report":
		say(string(Report(report)))
	case "threads": // some of them started after the lock
		for range 4 {
			go func() {
				runtime.LockOSThread()
				_, _ = unix.Read(0, make([]byte, 1))
			}()
		}
		_, _ = unix.Write(1, []byte("ready\n"))
		select {}
	}
	for _, e := range escapes {
		if e.name == name {
			if err := e.try(); err != nil {
				say(saidRefused + err.Error())
			}
			say(saidDone)
		}
	}
	say("no such probe")
}

// keepDir leaves the process with its directory, and shows it.
func keepDir(l *locker) {
	if _, err := l.emptyRoot(); err != nil {
		say(err.Error())
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		say(err.Error())
	}
	text, err := os.ReadFile("file")
	if err == nil {
		err = os.WriteFile("written", nil, 0o666)
	}
	if err != nil {
		say(err.Error())
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	say(fmt.Sprint(names, " ", string(text)))
}

func say(text string) {
	_, _ = unix.Write(1, []byte(text))
	os.Exit(0)
}

// diverge puts one thread under a filter of its own, which no other then can
// be synchronized with.
func diverge() {
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		raw, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: allow}})
		if err == nil {
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if err == nil {
			filter := unix.SockFilter{Code: raw[0].Op, K: raw[0].K}
			err = call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&unix.SockFprog{Len: 1, Filter: &filter})))
		}
		ready <- err
		select {}
	}()
	if err := <-ready; err != nil {
		say(err.Error())
	}
}

// killedBySeccomp tells how a probe ended.
func killedBySeccomp(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGSYS
}
