package confine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/policies/seccomp"
)

// saidNoLock begins what a probe says that could not be locked.
const saidNoLock = "no lock: "

func call(trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.RawSyscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// runProbe locks the process, does what is asked, and ends.
func runProbe(name string) {
	time.AfterFunc(time.Minute, func() { os.Exit(9) }) // whatever becomes of the test
	switch name {
	case "diverged":
		diverge()
	case "walled":
		wall()
	}
	uid, err := strconv.Atoi(os.Getenv(uidKey))
	if err != nil {
		say(err.Error())
	}
	l := newLocker(Options{Profile: seccomp.Sandbox, KeepDir: name == "keep-dir"}, Config{UID: uid})
	if name == "keep-dir" {
		keepDir(l)
	}
	report, err := l.lock(nil)
	if err != nil {
		say(saidNoLock + err.Error())
	}
	switch name {
	case "report", "walled":
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

// wall puts the process under a filter that knows no mseal, as systemd's does
// that is older than the call.
func wall() {
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = install([]bpf.Instruction{
			bpf.LoadAbsolute{Off: numberAt, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: sysMseal, SkipFalse: 1},
			bpf.RetConstant{Val: uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)},
			bpf.RetConstant{Val: allow},
		})
	}
	if err != nil {
		say(err.Error())
	}
}
