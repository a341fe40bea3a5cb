package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// serviceUnit is a service manager with one service: it holds the listening
// socket over all starts of `supervisor serve` and hears its notifications.
type serviceUnit struct {
	t      *testing.T
	url    string
	socket *os.File
	name   string     // of the socket
	more   []*os.File // further sockets, with more names
	names  []string
	notify string
	env    []string
	args   []string
	stderr *os.File // instead of a buffer

	mu       sync.Mutex
	messages []string
	news     chan struct{} // closed, and made anew, with each message
}

func newServiceUnit(t *testing.T, args ...string) *serviceUnit {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	u := &serviceUnit{t: t, url: "http://" + ln.Addr().String(), socket: socket, name: "http", args: args, news: make(chan struct{})}
	ln.Close()                        // the copy goes on listening
	dir, err := os.MkdirTemp("", "n") // t.TempDir's are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	u.notify = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: u.notify, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	go u.hear(conn)
	t.Cleanup(func() {
		socket.Close()
		conn.Close()
		os.RemoveAll(dir)
	})
	return u
}

// pass adds a socket on loopback, and returns its URL.
func (u *serviceUnit) pass(name string) (url string) {
	u.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		u.t.Fatal(err)
	}
	defer ln.Close() // the copy goes on listening
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { f.Close() })
	u.more, u.names = append(u.more, f), append(u.names, name)
	return "http://" + ln.Addr().String()
}

func (u *serviceUnit) hear(conn *net.UnixConn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.messages = append(u.messages, string(buf[:n]))
		close(u.news)
		u.news = make(chan struct{})
		u.mu.Unlock()
	}
}

// await returns the first message after the given number of them that holds a
// line with this beginning, and how many there are up to it.
func (u *serviceUnit) await(line string, after int) (message string, seen int) {
	u.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		u.mu.Lock()
		for i, m := range u.messages[min(after, len(u.messages)):] {
			if strings.HasPrefix(m, line) || strings.Contains(m, "\n"+line) {
				u.mu.Unlock()
				return m, after + i + 1
			}
		}
		after = max(after, len(u.messages))
		news := u.news
		u.mu.Unlock()
		select {
		case <-news:
		case <-deadline:
			u.t.Fatalf("no message %s", line)
		}
	}
}

// count is how many messages there have been.
func (u *serviceUnit) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.messages)
}

// start starts the service, as a manager does: with the socket as descriptor 3
// and with its own process id in the environment.
func (u *serviceUnit) start() *daemon {
	u.t.Helper()
	cmd, stderr := start(u.t, "", append([]string{"serve"}, u.args...)...)
	program := cmd.Args[0]
	cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$0" "$@"`, program}, cmd.Args[1:]...)
	cmd.ExtraFiles = append([]*os.File{u.socket}, u.more...)
	cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(cmd.ExtraFiles)), "LISTEN_FDNAMES="+strings.Join(append([]string{u.name}, u.names...), ":"), "NOTIFY_SOCKET="+u.notify, "WATCHDOG_USEC=300000")
	cmd.Env = append(cmd.Env, u.env...)
	if u.stderr != nil {
		cmd.Stderr = u.stderr
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		u.t.Fatal(err)
	}
	d := &daemon{t: u.t, cmd: cmd, url: u.url, exited: make(chan struct{})}
	go func() {
		io.Copy(io.Discard, bufio.NewReader(out))
		cmd.Wait()
		close(d.exited)
	}()
	u.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		<-d.exited
		if u.t.Failed() {
			u.t.Logf("%s", stderr)
		}
	})
	return d
}

// listenAnywhere opens a socket that other machines could reach.
func listenAnywhere(t *testing.T) *os.File {
	t.Helper()
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}
