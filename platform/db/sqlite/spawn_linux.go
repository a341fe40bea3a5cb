package sqlite

import (
	"net"
	"os"
	"syscall"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// spawn starts a database process in dir, with n sockets from descriptor 3 on,
// and returns our ends of them.
func (e *Engine) spawn(dir, env string, n int) (_ *child.Process, conns []net.Conn, err error) {
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			for _, c := range conns {
				_ = c.Close()
			}
		}
	}()
	for range n {
		c, their, err := socketPair()
		if err != nil {
			return nil, conns, err
		}
		conns, theirs = append(conns, c), append(theirs, their)
	}
	o := child.Options{Path: e.o.Binary, Name: "database", Dir: dir, Files: theirs}
	if e.o.Layers.For("namespaces") != confine.Off {
		o.Apart = confine.Namespaces
	}
	p := e.starter.New(o)
	return p, conns, p.Start([]string{env})
}

// socketPair returns our end and theirs.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "database socket"), os.NewFile(uintptr(fds[1]), "database socket")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has a copy
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
