package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

const dialTimeout = 10 * time.Second

// blockedPorts belong to protocols that can be made to act on an HTTP request:
// the list of the fetch standard, and well-known databases and brokers.
var blockedPorts = []int{
	1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79,
	87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137,
	139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
	540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
	2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
	6679, 6697, 10080,
	1433, 1521, 3306, 4222, 5432, 6379, 9042, 11211, 27017,
}

// public lets through addresses on the public internet only.
var public = ssrf.New(
	ssrf.WithAnyPort(),
	// Azure's host services have a public address that means the host itself.
	ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")),
)

// dialError is a connection that was not made. A blocked address and a host
// that does not exist have the same public text.
type dialError struct {
	public string
	err    error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

const unreachable = "the host cannot be reached"

// dialer connects for one kind of verdict.
type dialer struct {
	private  bool
	resolver *net.Resolver // nil for the system's
	// connecting, if not nil, is asked after the check and before a socket
	// connects. Tests set it to record addresses and never connect.
	connecting func(network, address string) error
}

// control runs between a name's resolution and the connect, for every address
// that is tried.
func (d *dialer) control(_ context.Context, network, address string, c syscall.RawConn) error {
	if !d.private {
		if err := public.Safe(network, address, c); err != nil {
			return err
		}
	}
	if d.connecting != nil {
		return d.connecting(network, address)
	}
	return nil
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout, Resolver: d.resolver, ControlContext: d.control}
	conn, err := nd.DialContext(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	de := &dialError{public: unreachable, err: err}
	if errors.Is(err, syscall.ECONNREFUSED) {
		de.public = "the host refused the connection"
	}
	return nil, de
}

// check looks host up, and refuses it if any of its addresses is out of reach:
// whoever connects instead of the dialer may choose any.
func (d *dialer) check(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	resolver := d.resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	for _, a := range addrs {
		network := "tcp6"
		if a = a.Unmap(); a.Is4() {
			network = "tcp4"
		}
		if err == nil {
			err = public.Safe(network, netip.AddrPortFrom(a, 443).String(), nil)
		}
	}
	if err != nil {
		return &dialError{public: unreachable, err: err}
	}
	return nil
}

func isTLS(err error) bool {
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &cert) || errors.As(err, &record) || errors.As(err, &alert)
}
