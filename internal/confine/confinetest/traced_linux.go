// Package confinetest traces the system calls of a program of ours while it
// runs under its lock-down, to hold them against its seccomp profile. It is for tests
// only.
package confinetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A traced program is the real binary, under a filter of the test's beside its
// own: the kernel asks the test about every system call before it is made (seccomp's
// user notification), and the test says yes. What the program's own filter refuses
// is not asked about. The test binary, run as the program, puts itself under that
// filter and then becomes the real one.
const (
	tracedKey = "CONFINETEST_SOCKET" // over which the test is asked
	realKey   = "CONFINETEST_REAL"
)

// BeTraced does not return if this process was started to become a traced
// program. It belongs at the beginning of TestMain.
func BeTraced() {
	if socket := os.Getenv(tracedKey); socket != "" {
		err := becomeTraced(socket, os.Getenv(realKey))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
}

func becomeTraced(socket, binary string) error {
	runtime.LockOSThread()
	conn, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(conn, &unix.SockaddrUnix{Name: socket}); err != nil {
		return err
	}
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_SENDMSG, SkipFalse: 1}, // by which the test gets to answer
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
		bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF},
	})
	if err != nil {
		return err
	}
	var filter []unix.SockFilter
	for _, i := range raw {
		filter = append(filter, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	self := []byte(strconv.Itoa(os.Getpid()))
	for _, key := range []string{"GODEBUG", tracedKey, realKey} {
		if err := os.Unsetenv(key); err != nil {
			return err
		}
	}
	if errno := filterAndTell(prog, conn, self); errno != 0 {
		return errno
	}
	return unix.Exec(binary, []string{filepath.Base(binary)}, os.Environ())
}

// filterAndTell puts this thread under the filter, and sends the test, with text,
// the descriptor that is asked there.
func filterAndTell(prog *unix.SockFprog, conn int, text []byte) unix.Errno {
	rights := unix.UnixRights(-1)
	slot := (*int32)(unsafe.Pointer(&rights[unix.CmsgLen(0)]))
	iov := unix.Iovec{Base: &text[0]}
	iov.SetLen(len(text))
	message := unix.Msghdr{Iov: &iov, Control: &rights[0]}
	message.SetIovlen(1)
	message.SetControllen(len(rights))
	return filterAndSend(prog, conn, &message, slot)
}

// filterAndSend makes two system calls and nothing between them. From the first
// on, every call of this thread but sendmsg waits for the test, which cannot
// answer before the second: neither may Go's scheduler take the thread away, as
// it might wherever a stack may grow, nor may a signal be handled.
//
//go:nosplit
func filterAndSend(prog *unix.SockFprog, conn int, message *unix.Msghdr, slot *int32) unix.Errno {
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, uintptr(unsafe.Pointer(prog)))
	if errno == 0 {
		*slot = int32(fd)
		_, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(conn), uintptr(unsafe.Pointer(message)), 0)
	}
	return errno
}

// event is struct seccomp_notif of linux/seccomp.h.
type event struct {
	id      uint64
	thread  uint32
	flags   uint32
	number  uint32
	arch    uint32
	address uint64
	args    [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// traced is one traced process.
type traced struct {
	fd int
	// self is its own id, as it sees it in its pid namespace.
	self int
}

// tracer asks see about every call of every traced process.
type tracer struct {
	see  func(p *traced, e *event)
	work sync.WaitGroup
}

// trace returns what to run as the program.
func trace(t *testing.T, program string, see func(*traced, *event)) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "ct") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	tr := &tracer{see: see}
	binary, socket := filepath.Join(dir, filepath.Base(program)), filepath.Join(dir, "socket")
	text := fmt.Sprintf("#!/bin/sh\nGODEBUG=asyncpreemptoff=1 %s='%s' %s='%s' exec '%s'\n", tracedKey, socket, realKey, program, self)
	if err := os.WriteFile(binary, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(listener, &unix.SockaddrUnix{Name: socket}), unix.Listen(listener, 16))
	}
	if err != nil {
		t.Fatal(err)
	}
	tr.work.Go(func() { tr.accept(t, listener) })
	// It comes before the cleanups of what the test starts later.
	t.Cleanup(func() {
		_ = unix.Shutdown(listener, unix.SHUT_RDWR)
		tr.work.Wait()
		_ = unix.Close(listener)
	})
	return binary
}

func (tr *tracer) accept(t *testing.T, listener int) {
	for {
		conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return // it was shut down
		}
		text, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
		n, oobn, _, _, err := unix.Recvmsg(conn, text, oob, unix.MSG_CMSG_CLOEXEC)
		_ = unix.Close(conn)
		var fds []int
		if messages, perr := unix.ParseSocketControlMessage(oob[:max(oobn, 0)]); err == nil && perr == nil && len(messages) == 1 {
			fds, _ = unix.ParseUnixRights(&messages[0])
		}
		pid, perr := strconv.Atoi(strings.TrimSpace(string(text[:max(n, 0)])))
		if err != nil || perr != nil || len(fds) != 1 {
			t.Errorf("a traced process sent %q, %v: %v", text[:max(n, 0)], fds, err)
			continue
		}
		tr.work.Go(func() {
			tr.follow(&traced{fds[0], pid})
			_ = unix.Close(fds[0])
		})
	}
}

// follow answers until the process has ended.
func (tr *tracer) follow(p *traced) {
	for {
		poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents != 0 {
				return
			}
			continue
		}
		var e event
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&e))); errno != 0 {
			continue // the thread has ended, or was interrupted
		}
		tr.see(p, &e)
		yes := answer{id: e.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(p.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&yes)))
	}
}

// packet is the call as a filter sees it, in the byte order of [bpf.VM].
func (e *event) packet() []byte {
	data := binary.BigEndian.AppendUint32(nil, e.number)
	data = binary.BigEndian.AppendUint32(data, e.arch)
	data = binary.BigEndian.AppendUint64(data, e.address)
	for _, a := range e.args {
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	return data
}
