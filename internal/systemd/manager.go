package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is what the process's service manager asked of it. A nil Manager is
// the absence of one. Its methods may be called from many goroutines, Listener
// and Close aside.
type Manager struct {
	socket    string        // where notifications go; "" for nowhere
	watchdog  time.Duration // how long may pass between two beats; 0 for ever
	listeners []namedListener
}

type namedListener struct {
	name string
	net.Listener
}

// FromEnvironment reads what the service manager has told this process, and
// removes it from the environment, so that no child takes it for its own. It
// is called once, before any other descriptor than the standard ones is used.
// The error says what the manager passed that cannot be used. The caller
// closes the Manager.
func FromEnvironment() (*Manager, error) {
	m := &Manager{socket: os.Getenv("NOTIFY_SOCKET")}
	_ = os.Unsetenv("NOTIFY_SOCKET")
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(true); err != nil {
		return nil, fmt.Errorf("service manager: %w", err)
	}
	for _, f := range activation.Files(true) {
		ln, err := net.FileListener(f)
		if err != nil {
			err = fmt.Errorf("service manager: descriptor %d (%s) is not a socket that listens: %w", f.Fd(), f.Name(), err)
			return nil, errors.Join(err, f.Close(), m.Close())
		}
		_ = f.Close() // ln has its own
		m.listeners = append(m.listeners, namedListener{f.Name(), ln})
	}
	return m, nil
}

// Listener returns a socket that the manager passed under one of these names
// and that was not returned before, or nil. The caller closes it; the manager
// goes on listening on its own copy, so that connections wait there for the
// next process.
func (m *Manager) Listener(names ...string) net.Listener {
	if m == nil {
		return nil
	}
	i := slices.IndexFunc(m.listeners, func(l namedListener) bool { return slices.Contains(names, l.name) })
	if i < 0 {
		return nil
	}
	ln := m.listeners[i].Listener
	m.listeners = slices.Delete(m.listeners, i, i+1)
	return ln
}

// Unclaimed returns the names of the sockets that Listener has not returned.
func (m *Manager) Unclaimed() []string {
	if m == nil {
		return nil
	}
	var names []string
	for _, l := range m.listeners {
		names = append(names, l.name)
	}
	return names
}

// Close closes the sockets that nobody has claimed.
func (m *Manager) Close() error {
	if m == nil {
		return nil
	}
	var errs []error
	for _, l := range m.listeners {
		errs = append(errs, l.Close())
	}
	m.listeners = nil
	return errors.Join(errs...)
}

// Notify sends assignments such as "READY=1", all in one message. A line break
// in one of them becomes a space: it would begin another.
func (m *Manager) Notify(assignments ...string) error {
	if m == nil || m.socket == "" {
		return nil
	}
	lines := make([]string, len(assignments))
	for i, a := range assignments {
		lines[i] = strings.ReplaceAll(a, "\n", " ")
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	// A manager that does not read must not hold us up.
	_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

const sendTimeout = 5 * time.Second

// Ready says that the service is up, or has been reloaded.
func (m *Manager) Ready(status string) error { return m.Notify(daemon.SdNotifyReady, "STATUS="+status) }

// Reloading says that the service reads its configuration again. Ready ends it.
func (m *Manager) Reloading() error {
	return m.Notify(daemon.SdNotifyReloading, strings.TrimSpace(daemon.SdNotifyMonotonicUsec()), "STATUS=reloading")
}

// Stopping says that the service ends, and that this may take as long as
// within.
func (m *Manager) Stopping(status string, within time.Duration) error {
	return m.Notify(daemon.SdNotifyStopping, "STATUS="+status, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", within.Microseconds()))
}
