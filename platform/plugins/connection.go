package plugins

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
)

// grace is what a plugin gets to end by itself.
const grace = time.Second

// connection is a running process of a plugin, with what is needed to talk to
// it.
type connection struct {
	*child.Process
	pluginpb.PluginClient
	health grpc_health_v1.HealthClient
	conn   *handshake.Conn
}

// connect starts a process and shakes hands with it. When it fails, the
// process has ended.
func (p *plugin) connect(ctx context.Context) (*connection, error) {
	// The name makes a later supervisor remove what a killed one left.
	dir, err := os.MkdirTemp(handshake.SocketBase(), handshake.DirPrefix)
	if err != nil {
		return nil, fmt.Errorf("directory for its socket: %w", err)
	}
	process := p.starter.New(child.Options{
		Path: p.path, Name: p.path, Dir: filepath.Dir(p.path), Stdout: true, Line: newOutput(p.log).line,
	})
	conn, err := handshake.Connect(ctx, process, handshake.Config{
		Handshake:  pluginpb.Handshake(),
		What:       "plugin",
		Remedy:     "build it with the release that the supervisor is of",
		Dir:        dir,
		Env:        []string{"PATH=" + os.Getenv("PATH"), "LANG=" + os.Getenv("LANG")},
		Timeout:    p.o.StartTimeout,
		MaxMessage: pluginpb.MaxMessage,
	})
	if err != nil {
		return nil, err
	}
	go func() { _, _ = io.Copy(io.Discard, process.Stdout()) }() // nothing is to wait for a reader
	return &connection{
		Process: process, PluginClient: pluginpb.NewPluginClient(conn), conn: conn,
		health: grpc_health_v1.NewHealthClient(conn),
	}, nil
}

// healthy asks the plugin's health service.
func (c *connection) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	answer, err := c.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	if err == nil && answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		err = fmt.Errorf("its health is %v", answer.GetStatus())
	}
	return err
}

// close ends the process, kindly or at once, and then the connection.
func (c *connection) close(kindly bool) {
	if kindly {
		c.Cut()
		select {
		case <-c.Exited():
		case <-time.After(grace):
		}
	}
	c.Kill()
	<-c.Exited()
	c.conn.Close()
}
