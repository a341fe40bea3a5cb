package systemd_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/systemd"
)

// manager listens for notifications. It returns what has come.
func manager(t *testing.T) (messages <-chan string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	came := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			came <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-ended
		os.RemoveAll(dir)
	})
	return came
}

func open(t *testing.T) *systemd.Manager {
	t.Helper()
	m, err := systemd.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func next(t *testing.T, messages <-chan string) string {
	t.Helper()
	select {
	case m := <-messages:
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message")
		return ""
	}
}

func TestWithoutManager(t *testing.T) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"} {
		t.Setenv(name, "")
	}
	for _, m := range []*systemd.Manager{nil, open(t)} {
		if err := errors.Join(m.Ready("x"), m.Reloading(), m.Stopping("x", time.Second)); err != nil {
			t.Error(err)
		}
		if m.Listener("http") != nil || m.Unclaimed() != nil {
			t.Error("sockets from nowhere")
		}
		m.Watch(func(context.Context) error { t.Error("probed"); return nil }, nil, nil)()
	}
}

func TestMessages(t *testing.T) {
	messages := manager(t)
	m := open(t)
	if v, set := os.LookupEnv("NOTIFY_SOCKET"); set {
		t.Errorf("children would get NOTIFY_SOCKET=%s", v)
	}
	if err := m.Ready("two\nlines"); err != nil {
		t.Error(err)
	}
	if got, want := next(t, messages), "READY=1\nSTATUS=two lines"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := m.Stopping("bye", 1500*time.Millisecond); err != nil {
		t.Error(err)
	}
	if got, want := next(t, messages), "STOPPING=1\nSTATUS=bye\nEXTEND_TIMEOUT_USEC=1500000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := m.Reloading(); err != nil {
		t.Error(err)
	}
	if got := next(t, messages); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") || strings.Contains(got, "USEC=0\n") {
		t.Errorf("%q", got)
	}
}

func TestManagerIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if err := open(t).Ready("x"); err == nil {
		t.Error("no error")
	}
}

func TestWhatCannotBeUsed(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := systemd.FromEnvironment(); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
		t.Errorf("%v", err)
	}
}

// The watchdog hears of life only what the probe has proved.
func TestWatch(t *testing.T) {
	messages := manager(t)
	t.Setenv("WATCHDOG_USEC", "3000") // a beat each millisecond
	m := open(t)
	results, log := make(chan error), &strings.Builder{}
	stop := m.Watch(func(ctx context.Context) error {
		select {
		case err := <-results:
			return err
		case <-ctx.Done(): // stuck: a probe that does not answer in time
			select {
			case err := <-results:
				return err
			case <-t.Context().Done():
				return ctx.Err()
			}
		}
	}, func() string { return "fine" }, slog.New(slog.NewTextHandler(log, nil)))

	results <- nil
	if got := next(t, messages); got != "WATCHDOG=1\nSTATUS=fine" {
		t.Errorf("%q", got)
	}
	results <- errors.New("the registry does not answer")
	if got := next(t, messages); got != "STATUS=not alive: the registry does not answer" {
		t.Errorf("%q", got)
	}
	// While the probe hangs nothing is said, however many beats are due.
	select {
	case got := <-messages:
		t.Errorf("while it hangs: %q", got)
	case <-time.After(50 * time.Millisecond):
	}
	results <- nil
	if got := next(t, messages); !strings.HasPrefix(got, "WATCHDOG=1") {
		t.Errorf("%q", got)
	}
	close(results)
	stop()
	if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "does not answer its own probe") || !strings.Contains(text, "fails its own probe") {
		t.Errorf("%s", text)
	}
}
