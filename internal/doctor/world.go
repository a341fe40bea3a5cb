package doctor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/escape"
)

// world is what attempts reach for: all of it made here, and gone afterwards.
type world struct {
	escape.World
	closers []io.Closer
	victim  *child.Process
}

func newWorld(r *rig) (_ *world, err error) {
	w := &world{World: escape.World{Parent: os.Getpid(), Dir: filepath.Join(r.dir, "w"), Socket: filepath.Join(r.dir, "s"), Abstract: "bulkhead-" + filepath.Base(r.dir)}}
	defer func() {
		if err != nil {
			_ = w.close()
		}
	}()
	if err := os.Mkdir(w.Dir, 0o700); err != nil {
		return nil, err
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a port to connect to: %w", err)
	}
	w.accept(tcp)
	w.TCP = tcp.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("a port to send to: %w", err)
	}
	w.closers = append(w.closers, udp)
	w.UDP = udp.LocalAddr().(*net.UDPAddr).Port
	for _, name := range []string{w.Socket, "@" + w.Abstract} {
		l, err := net.Listen("unix", name)
		if err != nil {
			return nil, fmt.Errorf("a socket to connect to: %w", err)
		}
		w.accept(l)
	}
	if w.victim, w.Secret, err = r.victim(); err != nil {
		return nil, err
	}
	w.Victim = w.victim.PID()
	return w, nil
}

// accept takes connections, and drops them when they have said something.
func (w *world) accept(l net.Listener) {
	w.closers = append(w.closers, l)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}()
		}
	}()
}

func (w *world) close() error {
	var errs []error
	for _, c := range w.closers {
		errs = append(errs, c.Close())
	}
	if w.victim != nil {
		w.victim.Kill()
		<-w.victim.Exited()
	}
	return errors.Join(errs...)
}
