package ipc

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for _, tt := range []struct {
		name                string
		sandbox, supervisor Version
		ok                  bool
	}{
		{"same release", Version{"v1.2.3", "1.ab"}, Version{"v1.2.3", "1.ab"}, true},
		{"other release", Version{"v1.2.3", "1.ab"}, Version{"v1.2.4", "1.ab"}, false},
		{"development", Version{"dev", "1.ab"}, Version{"v1.2.4", "1.ab"}, true},
		{"other contract", Version{"dev", "1.ab"}, Version{"dev", "1.cd"}, false},
		{"no version", Version{"dev", "1.ab"}, decodeVersion(""), false},
	} {
		err := checkVersion(tt.sandbox, tt.supervisor)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.sandbox.String()) || !strings.Contains(err.Error(), tt.supervisor.String()) || !strings.Contains(err.Error(), "--sandbox-bin")) {
			t.Errorf("%s: %q does not name both versions and the remedy", tt.name, err)
		}
	}
	if v := ThisVersion(); decodeVersion(v.encode()) != v {
		t.Errorf("%+v does not survive the environment", v)
	}
}

func TestCheckByHand(t *testing.T) {
	if err := Check(); err != ErrByHand {
		t.Errorf("got %v", err)
	}
	t.Setenv(cookieKey, cookieValue)
	t.Setenv(versionKey, "v0.0.1 9.99")
	if err := Check(); err == nil || err == ErrByHand {
		t.Errorf("got %v", err)
	}
	t.Setenv(versionKey, ThisVersion().encode())
	if err := Check(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestPeerOnly(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for pid, ok := range map[int]bool{os.Getpid(): true, os.Getppid(): false, 0: false} {
		conn, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = peerOnly(func() int { return pid }).ClientHandshake(t.Context(), "", conn)
		if (err == nil) != ok {
			t.Errorf("pid %d: %v", pid, err)
		}
		_ = conn.Close()
	}
	a, b := net.Pipe()
	defer b.Close()
	if _, _, err := peerOnly(os.Getpid).ServerHandshake(a); err == nil {
		t.Error("a pipe passed for a socket")
	}
}
