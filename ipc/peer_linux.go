package ipc

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// peerOnly returns transport credentials that let only one process through,
// at the other end of a unix socket; its id is asked for at each handshake. There is no encryption: the socket lies
// in a private directory of the same machine.
func peerOnly(pid func() int) credentials.TransportCredentials { return peerCredentials{pid} }

type peerCredentials struct{ pid func() int }

type peerInfo struct{ credentials.CommonAuthInfo }

func (peerInfo) AuthType() string { return "unix-peer" }

func (p peerCredentials) handshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if err := p.check(conn); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, peerInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

func (p peerCredentials) check(conn net.Conn) error {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("not a unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return credErr
	}
	if want := p.pid(); int(cred.Pid) != want {
		return fmt.Errorf("the socket's other end is process %d, not %d", cred.Pid, want)
	}
	return nil
}

func (p peerCredentials) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.handshake(conn)
}

func (p peerCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return p.handshake(conn)
}

func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "unix-peer"}
}

func (p peerCredentials) Clone() credentials.TransportCredentials { return p }

func (peerCredentials) OverrideServerName(string) error { return nil }
