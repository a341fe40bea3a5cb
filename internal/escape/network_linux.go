package escape

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var network = []Attempt{
	{Name: "tcp", Group: "network", Does: "connect over TCP", Layers: []string{seccomp, landlock, namespaces}, Landlock: 4, try: func(w *World) error {
		return connects(unix.AF_INET, unix.SOCK_STREAM, 0, loopback(w.TCP))
	}},
	{Name: "mptcp", Group: "network", Does: "connect over multipath TCP", Layers: []string{seccomp, namespaces}, try: func(w *World) error {
		return connects(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, loopback(w.TCP))
	}},
	{Name: "listen", Group: "network", Does: "listen on a TCP port", Layers: []string{seccomp, landlock}, Landlock: 4, try: func(*World) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, loopback(0))
		}
		return err
	}},
	{Name: "udp", Group: "network", Does: "send a datagram", Layers: []string{seccomp, namespaces}, try: func(w *World) error {
		return connects(unix.AF_INET, unix.SOCK_DGRAM, 0, loopback(w.UDP))
	}},
	{Name: "unix-path", Group: "network", Does: "connect to a unix socket by its path", Layers: []string{seccomp, emptyRoot, user}, try: func(w *World) error {
		return connects(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: w.Socket})
	}},
	{Name: "unix-abstract", Group: "network", Does: "connect to an abstract unix socket", Layers: []string{seccomp, landlock, namespaces}, Landlock: 6, try: func(w *World) error {
		return connects(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: "@" + w.Abstract})
	}},
	{Name: "unix-pair", Group: "network", Does: "make a pair of unix sockets", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return err
	}},
	{Name: "netlink", Group: "network", Does: "ask for the network's interfaces (netlink)", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		return err
	}},
	{Name: "loopback", Group: "network", Does: "find a network interface that is up", Layers: []string{seccomp, namespaces}, try: func(*World) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		request, err := unix.NewIfreq("lo")
		if err == nil {
			err = unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request)
		}
		if err == nil && request.Uint16()&unix.IFF_UP == 0 {
			err = unix.ENETDOWN
		}
		return err
	}},
	{Name: "vsock", Group: "network", Does: "reach the virtual machine's host (vsock)", Layers: []string{seccomp}, try: func(*World) error {
		_, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	}},
	{Name: "packet", Group: "network", Does: "read the network's packets", Layers: []string{seccomp, capabilities, user}, try: func(*World) error {
		_, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	}},
	{Name: "pass-descriptor", Group: "network", Does: "send a descriptor to its supervisor", Layers: []string{seccomp}, try: func(*World) error {
		// Nothing is sent: the descriptor is none. The kernel says so.
		err := unix.Sendmsg(-1, []byte("x"), nil, nil, 0)
		return granted(err, unix.EBADF)
	}},
}

func loopback(port int) unix.Sockaddr {
	return &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
}

func connects(domain, kind, protocol int, to unix.Sockaddr) error {
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil {
		return err
	}
	if n, err := unix.Write(fd, []byte("x")); err != nil || n != 1 {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
