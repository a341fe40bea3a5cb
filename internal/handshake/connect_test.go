package handshake_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/handshake"
)

const roleKey = "BULKHEAD_TEST_ROLE"

var agreed = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BULKHEAD_TEST", MagicCookieValue: "yes"}

// served makes go-plugin serve gRPC.
type served struct {
	plugin.Plugin
	plugin.GRPCPlugin
}

func (*served) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func TestMain(m *testing.M) {
	if os.Getenv(roleKey) == "serve" {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: agreed, Logger: handshake.Silent(), GRPCServer: plugin.DefaultGRPCServer,
			Plugins: plugin.PluginSet{"test": &served{}},
		})
		return
	}
	os.Exit(m.Run())
}

// connect starts a program and connects to it.
func connect(t *testing.T, ctx context.Context, path string, timeout time.Duration) (*child.Process, *handshake.Conn, error) {
	t.Helper()
	s := child.NewStarter()
	p := s.New(child.Options{Path: path, Name: "program", Stdout: true})
	t.Cleanup(func() {
		if p.Kill(); p.PID() != 0 {
			<-p.Exited()
		}
		s.Close()
	})
	dir, err := os.MkdirTemp(handshake.SocketBase(), "bt-")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := handshake.Connect(ctx, p, handshake.Config{
		Handshake: agreed, What: "test program", Remedy: "build it again", Dir: dir,
		Env: []string{roleKey + "=serve", "PATH=/usr/bin:/bin"}, Timeout: timeout, MaxMessage: 1 << 20,
	})
	if _, statErr := os.Stat(dir); !os.IsNotExist(statErr) {
		t.Errorf("its directory is left: %v", statErr)
	}
	return p, conn, err
}

func TestConnect(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, conn, err := connect(t, t.Context(), self, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	check := func() error {
		_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
		return err
	}
	if err := check(); err != nil {
		t.Error(err)
	}
	for _, method := range []string{"/plugin.GRPCBroker/StartStream", "/plugin.GRPCStdio/StreamStdio"} {
		if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, method); status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "Bulkhead") {
			t.Errorf("%s: got %v", method, err)
		}
	}
	p.Kill()
	<-p.Exited()
	conn.Close()
	conn.Close()
	if check() == nil {
		t.Error("a closed connection answers")
	}
}

func TestConnectFails(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"exits":        {"echo out of luck >&2; exit 3", "it ended before its handshake (exit status 3); it said: out of luck"},
		"other":        {`printf 'hello\tyou\n'; exec sleep 60`, `it is no test program: it wrote "hello\tyou" instead of a handshake`},
		"endless line": {"exec yes abc | tr -d '\\n'", "abcab\" instead of a handshake"},
		"version":      {"echo '1|7|unix|/x|grpc|'; exec sleep 60", "it speaks protocol \"7\", the supervisor speaks 1; build it again"},
		"tcp":          {"echo '1|1|tcp|127.0.0.1:1|grpc|'; exec sleep 60", "only a unix socket is accepted"},
		"elsewhere":    {"echo '1|1|unix|/tmp/other.sock|grpc|'; exec sleep 60", "outside its own directory"},
		"symlink":      {`ln -s /tmp "$PLUGIN_UNIX_SOCKET_DIR/s"; echo "1|1|unix|$PLUGIN_UNIX_SOCKET_DIR/s|grpc|"; exec sleep 60`, "instead of a socket"},
		"silent":       {"exec sleep 60", "it was not ready in time"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, []byte("#!/bin/sh\n"+tt.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			limit := 20 * time.Second
			if name == "silent" {
				limit = 100 * time.Millisecond
			}
			p, _, err := connect(t, t.Context(), path, limit)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			select {
			case <-p.Exited():
			default:
				t.Error("the process is alive")
			}
		})
	}
	if _, _, err := connect(t, t.Context(), "/nowhere", time.Second); !os.IsNotExist(err) {
		t.Errorf("no program: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if p, _, err := connect(t, ended, "/bin/cat", time.Second); err == nil || p.How() != "signal: killed" {
		t.Errorf("canceled: %v, and the process is %s", err, p.How())
	}
}
