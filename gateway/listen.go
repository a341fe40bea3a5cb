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

// Listen opens a TCP listener at addr ("127.0.0.1:8420", "localhost:0"). It
// refuses an address that is not loopback unless insecure is set, because
// whoever reaches the API may deploy and run code.
func Listen(addr string, insecure bool) (net.Listener, error) {
	invalid := func(reason, remedy string, err error) error {
		return &outcome.Error{
			Outcome: outcome.Invalid, Detail: reason, Remedy: remedy, Err: err,
		}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, invalid(fmt.Sprintf("listen address %q is not HOST:PORT", addr), "write it like 127.0.0.1:8420", err)
	}
	if !insecure && !loopbackName(host) {
		return nil, invalid(
			fmt.Sprintf("refusing to listen on %s: other machines could reach it, and the API has no authentication", addr),
			"listen on 127.0.0.1 and put a reverse proxy that authenticates in front, or accept the risk with --insecure-listen", nil)
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
	if err := CheckListener(ln, insecure); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// CheckListener holds a listener that somebody else opened to the same rule.
func CheckListener(ln net.Listener, insecure bool) error {
	if insecure || loopbackAddr(ln.Addr()) {
		return nil
	}
	return &outcome.Error{
		Outcome: outcome.Invalid,
		Detail:  fmt.Sprintf("refusing to listen on %s: it is not a loopback address, and the API has no authentication", ln.Addr()),
		Remedy:  "listen on 127.0.0.1, or accept the risk with --insecure-listen",
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

func loopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// guardHost refuses requests that name another host: a web page whose name was
// made to resolve to 127.0.0.1 (DNS rebinding) is how they come about.
func guardHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopbackName(host) {
			requestProblem(http.StatusMisdirectedRequest,
				fmt.Sprintf("this supervisor listens on loopback and answers to localhost, 127.0.0.1 and [::1], not to %q", r.Host),
				"send the Host header localhost; a reverse proxy in front has to set it").write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}
