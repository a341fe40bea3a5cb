package gateway

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// maxSocketPath is the longest path that a unix socket's address holds.
const maxSocketPath = 107

// adminListener accepts connections of the admin socket.
type adminListener struct {
	*net.UnixListener
	dir *os.File // of the socket, when its address goes through it
	gid int      // of those who may use it beside us and root; -1 for none
	log *slog.Logger
}

// adminConn is one, with who has connected.
type adminConn struct {
	net.Conn
	peer string // "" for who may not use it without a token
}

// ListenAdmin opens the admin socket at path, in place of one that a
// supervisor has left there. Who connects as our user or as root is an admin
// without a token; so is the group, if one is named. The caller closes the
// listener, which removes the socket.
func ListenAdmin(path, group string, log *slog.Logger) (net.Listener, error) {
	wrong := func(err error) error {
		return &outcome.Error{Outcome: outcome.Invalid, Err: err, Detail: fmt.Sprintf("cannot open the admin socket %s: %v", path, err),
			Remedy: "name another path with the key auth.socket of the configuration"}
	}
	l := &adminListener{gid: -1, log: log}
	mode := os.FileMode(0o600)
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, wrong(err)
		}
		if l.gid, err = strconv.Atoi(g.Gid); err != nil {
			return nil, wrong(err)
		}
		mode = 0o660
	}
	address, dir, err := socketAddress(path)
	if err != nil {
		return nil, wrong(err)
	}
	l.dir = dir
	if err := removeStale(path, address); err != nil {
		l.closeDir()
		return nil, wrong(err)
	}
	// Who connects before it has its mode is still asked for.
	ln, err := net.Listen("unix", address)
	if err == nil && group != "" {
		err = os.Chown(path, -1, l.gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		if ln != nil {
			ln.Close()
		}
		l.closeDir()
		return nil, wrong(err)
	}
	l.UnixListener = ln.(*net.UnixListener)
	return l, nil
}

// socketAddress returns the address of a path: the path, or, if that is too
// long, one through its directory, which has to stay open.
func socketAddress(path string) (string, *os.File, error) {
	if len(path) <= maxSocketPath {
		return path, nil, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), dir, nil
}

// removeStale removes a socket that nobody listens on.
func removeStale(path, address string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("there is something else at this path")
	}
	if conn, err := net.DialTimeout("unix", address, time.Second); err == nil {
		conn.Close()
		return errors.New("another supervisor listens there")
	}
	return os.Remove(path)
}

func (l *adminListener) closeDir() {
	if l.dir != nil {
		_ = l.dir.Close() // it was only read
	}
}

// Close ends the listener and removes the socket.
func (l *adminListener) Close() error {
	err := l.UnixListener.Close()
	l.closeDir()
	return err
}

func (l *adminListener) Accept() (net.Conn, error) {
	conn, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	peer, err := l.peer(conn)
	if err != nil {
		l.log.Info("a connection to the admin socket is not taken for an admin's", slog.Any("reason", err))
	}
	return &adminConn{conn, peer}, nil
}

// peer says who has connected, if it is one who may.
func (l *adminListener) peer(conn *net.UnixConn) (string, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return "", err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return "", err
	}
	if credErr != nil {
		return "", credErr
	}
	name := fmt.Sprintf("uid %d (pid %d)", cred.Uid, cred.Pid)
	if cred.Uid == 0 || int(cred.Uid) == os.Geteuid() || l.gid >= 0 && (int(cred.Gid) == l.gid || inGroup(cred.Uid, l.gid)) {
		return name, nil
	}
	return "", fmt.Errorf("%s is neither root nor this supervisor's user", name)
}

func inGroup(uid uint32, gid int) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return false
	}
	ids, err := u.GroupIds()
	return err == nil && slices.Contains(ids, strconv.Itoa(gid))
}
