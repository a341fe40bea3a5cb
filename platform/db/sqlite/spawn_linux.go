package sqlite

import (
	"net"
	"os"
	"syscall"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
)

const (
	// idleMemory is what a process may take beside Options.MaxMemory: its program,
	// Go's runtime, and the pages of the file that the kernel keeps for it.
	idleMemory = 128 << 20
	maxPIDs    = 128 // threads
)

// group makes the control group of a new process; it is nil without
// Options.Cgroups.
func (e *Engine) group() (*cgroup.Group, error) {
	if e.o.Cgroups == nil {
		return nil, nil
	}
	g, err := e.o.Cgroups.New("database")
	if err != nil {
		return nil, err
	}
	if err := g.Limit(cgroup.Limits{Memory: e.o.MaxMemory + idleMemory, PIDs: maxPIDs}); err != nil {
		_ = g.Remove()
		return nil, err
	}
	return g, nil
}

// spawn starts a database process in dir and, if it is not nil, in a control
// group, with the sockets of the interrupts and of n connections, in the order of
// their descriptors, and returns our ends of them.
func (e *Engine) spawn(dir, env string, n int, group *cgroup.Group) (_ *child.Process, conns []net.Conn, err error) {
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
	for range 1 + n {
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
	if group != nil {
		o.Cgroup = group.Dir()
		defer group.Started()
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
