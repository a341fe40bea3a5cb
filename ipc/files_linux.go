package ipc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// FilesFD is the descriptor at which a child finds its end of the socket
	// over which files are sent to it.
	FilesFD = 3

	// maxFilesBuffer bounds what a child that does not read can hold of the
	// user's allowance of descriptors on their way: a few.
	maxFilesBuffer = 4 << 10
	sendTimeout    = 100 * time.Millisecond
)

// FileSender sends open files to a child. All that ever comes back is its report
// on its lock-down.
type FileSender struct{ conn *net.UnixConn }

// NewFileSender returns a sender, and the file that its child has to inherit as
// FilesFD. The caller closes both.
func NewFileSender() (*FileSender, *os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a socket for files: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "files"), os.NewFile(uintptr(pair[1]), "files")
	defer ours.Close()
	err = unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, maxFilesBuffer)
	var conn net.Conn
	if err == nil {
		conn, err = net.FileConn(ours)
	}
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("a socket for files: %w", err)
	}
	return &FileSender{conn.(*net.UnixConn)}, theirs, nil
}

// Send sends a file under a name of at most MaxName bytes; the caller keeps,
// and closes, its own. One call at a time. os.ErrDeadlineExceeded means that
// the child does not take what was sent before.
func (s *FileSender) Send(name string, f *os.File) error {
	if len(name) == 0 || len(name) > MaxName {
		return fmt.Errorf("sending a file: its name has %d bytes", len(name))
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("sending a file: %w", err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("sending a file: %w", err)
	}
	var sendErr error
	if err := raw.Control(func(fd uintptr) {
		_, _, sendErr = s.conn.WriteMsgUnix([]byte(name), unix.UnixRights(int(fd)), nil)
	}); err != nil {
		sendErr = err
	}
	if sendErr != nil {
		return fmt.Errorf("sending a file: %w", sendErr)
	}
	return nil
}

// Report returns what the child has sent with SendReport, of at most max bytes.
// It waits for it until the deadline.
func (s *FileSender) Report(deadline time.Time, max int) ([]byte, error) {
	if err := s.conn.SetReadDeadline(deadline); err != nil {
		return nil, fmt.Errorf("the report on its lock-down: %w", err)
	}
	buf := make([]byte, max+1)
	n, err := s.conn.Read(buf)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the report on its lock-down: %w", err)
	case n > max:
		return nil, fmt.Errorf("the report on its lock-down has more than %d bytes", max)
	}
	return buf[:n], nil
}

// SendReport is the child's: it tells the supervisor what became of its
// lock-down, before the supervisor sends anything.
func SendReport(report []byte) error {
	if _, err := unix.Write(FilesFD, report); err != nil {
		return fmt.Errorf("reporting on the lock-down: %w", err)
	}
	return nil
}

// Close closes the sender's end.
func (s *FileSender) Close() error { return s.conn.Close() }

// FileReceiver is a child's end.
type FileReceiver struct{ fd int }

// InheritedFiles returns the receiver of this process, or nil when it has
// inherited none.
func InheritedFiles() *FileReceiver { return NewFileReceiver(FilesFD) }

// NewFileReceiver returns the receiver at a descriptor, or nil when that is
// something else.
func NewFileReceiver(fd int) *FileReceiver {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return nil
	}
	unix.CloseOnExec(fd)
	return &FileReceiver{fd}
}

// ErrNoFile means that no file of the name was sent.
var ErrNoFile = errors.New("no such file was sent")

// Take returns the descriptor of the file that was sent under a name; the
// caller closes it. It does not wait, since a file is sent before it is spoken
// of, and drops the files that it finds before. One call at a time.
func (r *FileReceiver) Take(name string) (fd int, err error) {
	for {
		fd, sent, err := r.receive()
		switch {
		case err != nil:
			return -1, err
		case sent == name && fd >= 0:
			return fd, nil
		case fd >= 0:
			_ = unix.Close(fd)
		}
	}
}

func (r *FileReceiver) receive() (fd int, name string, err error) {
	buf, oob := make([]byte, MaxName), make([]byte, unix.CmsgSpace(4))
	var n, oobn int
	for {
		n, oobn, _, _, err = unix.Recvmsg(r.fd, buf, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EAGAIN) || err == nil && n == 0 {
		return -1, "", ErrNoFile
	}
	if err != nil {
		return -1, "", fmt.Errorf("receiving a file: %w", err)
	}
	fd = -1
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return -1, "", fmt.Errorf("receiving a file: %w", err)
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) == 1 {
			fd = fds[0]
		}
	}
	return fd, string(buf[:n]), nil
}
