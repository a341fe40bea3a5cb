package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// plainRemedy is for those who would serve plain HTTP to other machines.
const plainRemedy = "configure tls, or say with --plain-http that a proxy in front does the TLS"

// Listen opens a TCP listener at addr ("127.0.0.1:8420", "localhost:0"). It
// refuses an address that is not loopback unless exposed is set, which is for
// those who have TLS, or who end it in front of the supervisor.
func Listen(addr string, exposed bool) (net.Listener, error) {
	invalid := func(reason, remedy string, err error) error {
		return &outcome.Error{
			Outcome: outcome.Invalid, Detail: reason, Remedy: remedy, Err: err,
		}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, invalid(fmt.Sprintf("listen address %q is not HOST:PORT", addr), "write it like 127.0.0.1:8420", err)
	}
	if !exposed && !loopbackName(host) {
		return nil, invalid(
			fmt.Sprintf("refusing to listen on %s: other machines reach it, and tokens would cross the network in the clear", addr), plainRemedy, nil)
	}
	ln, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, invalid(fmt.Sprintf("cannot listen on %s: the port is in use", addr),
			"stop what uses it, or choose another with --listen", err)
	case errors.Is(err, syscall.EACCES):
		return nil, invalid(fmt.Sprintf("cannot listen on %s: permission denied", addr),
			"choose a port above 1023 with --listen", err)
	case err != nil:
		return nil, invalid(fmt.Sprintf("cannot listen on %s: %v", addr, err), "choose another address with --listen", err)
	}
	// A name may resolve to anything.
	if err := CheckListener(ln, exposed); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// CheckListener holds a listener that somebody else opened to the same rule.
func CheckListener(ln net.Listener, insecure bool) error {
	if insecure || Loopback(ln.Addr()) {
		return nil
	}
	return &outcome.Error{
		Outcome: outcome.Invalid,
		Detail:  fmt.Sprintf("refusing to listen on %s: other machines reach it, and tokens would cross the network in the clear", ln.Addr()),
		Remedy:  plainRemedy,
	}
}

// loopbackName reports whether host, without a port, can only mean this
// machine.
func loopbackName(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err == nil && ip.Unmap().IsLoopback()
}

// Loopback tells whether only this machine reaches a listener of this address.
func Loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// guardHost refuses requests without a token that name another host: a web page
// whose name was made to resolve to 127.0.0.1 (DNS rebinding) is how they come
// about. Who has a token is no such page.
func (s *Server) guardHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connectionKey{}).(connection)
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if conn.loopback && s.open(conn) && !loopbackName(host) {
			requestProblem(http.StatusMisdirectedRequest,
				fmt.Sprintf("this supervisor listens on loopback and answers to localhost, 127.0.0.1 and [::1], not to %q", r.Host),
				"send the Host header localhost, or have the supervisor ask for tokens (`supervisor token create`)").write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
