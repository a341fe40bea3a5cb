package gateway

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/bulkhead-run/bulkhead/internal/prompt"
)

// What Options mean when they do not say.
const (
	DefaultMaxConnections = 4096
	DefaultMaxPerAddress  = 512
)

// boundListener closes connections that are one too many.
type boundListener struct {
	net.Listener
	s *Server

	mu    sync.Mutex
	total int
	from  map[netip.Addr]int
}

func (s *Server) bound(ln net.Listener) net.Listener {
	return &boundListener{Listener: ln, s: s, from: make(map[netip.Addr]int)}
}

func (l *boundListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := address(conn.RemoteAddr())
		if l.enter(from) {
			return &boundConn{Conn: conn, bytes: promptly(conn), l: l, from: from}, nil
		}
		l.s.dropped.Add(1)
		_ = conn.Close() // whoever it was has been told by that
	}
}

// enter counts a connection, unless it is one too many. Behind loopback there
// may be a proxy that speaks for many.
func (l *boundListener) enter(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.s.options.MaxConnections || !from.IsLoopback() && l.from[from] >= l.s.options.MaxPerAddress {
		return false
	}
	l.total++
	l.from[from]++
	return true
}

func (l *boundListener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.from[from]--; l.from[from] == 0 {
		delete(l.from, from)
	}
}

// address returns where a connection comes from: of IPv6 the network of 64
// bits, since one host has as many addresses of it as it likes.
func address(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.WithZone("").Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

type boundConn struct {
	net.Conn
	bytes io.ReadWriter // what is read and written
	l     *boundListener
	from  netip.Addr
	once  sync.Once
}

// promptly is how a connection is read and written: by package prompt, if it is
// the kernel's.
func promptly(conn net.Conn) io.ReadWriter {
	if raw, ok := conn.(syscall.Conn); ok {
		if s, err := prompt.New(raw); err == nil {
			return s
		}
	}
	return conn
}

func (c *boundConn) Read(p []byte) (int, error) {
	n, err := c.bytes.Read(p)
	return n, c.failed("read", err)
}

func (c *boundConn) Write(p []byte) (int, error) {
	n, err := c.bytes.Write(p)
	return n, c.failed("write", err)
}

// failed makes an error the one that a connection has, which net/http knows.
func (c *boundConn) failed(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if waiting, ok := err.(*net.OpError); ok { // a deadline, or the end of the connection
		waiting.Op = op
		return waiting
	}
	return &net.OpError{Op: op, Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

func (c *boundConn) Close() error {
	c.once.Do(func() { c.l.leave(c.from) })
	return c.Conn.Close()
}
