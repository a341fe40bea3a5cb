package plugins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
)

// grace is what a plugin gets to end by itself.
const grace = time.Second

// connection is a running process of a plugin, with what is needed to talk to
// it.
type connection struct {
	*process
	pluginpb.PluginClient
	health grpc_health_v1.HealthClient
	conn   *grpc.ClientConn
	client *goplugin.Client
}

// connect starts the process and shakes hands with it. When it fails, the
// process has ended.
func connect(ctx context.Context, p *process, timeout time.Duration) (*connection, error) {
	// The name makes a later supervisor remove what a killed one left.
	dir, err := os.MkdirTemp(socketBase(), "bh-")
	if err != nil {
		return nil, fmt.Errorf("directory for its socket: %w", err)
	}
	defer os.RemoveAll(dir) // once connected, it needs no path
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()

	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  pluginpb.Handshake(),
		Plugins:          goplugin.PluginSet{pluginpb.Name: &dispensed{}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		// At any other level it parses what a plugin writes to its standard
		// error, and panics on some of it.
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
		Stderr:           io.Discard,
		SkipHostEnv:      true,
		StartTimeout:     timeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: dir},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pluginpb.MaxMessage), grpc.MaxCallSendMsgSize(pluginpb.MaxMessage)),
			grpc.WithIdleTimeout(0), // the socket's file is gone: there is no second connection
			grpc.WithDisableRetry(),
			grpc.WithDisableServiceConfig(),
			grpc.WithNoProxy(),
			grpc.WithStreamInterceptor(refuseStreams),
		},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, socketDir string) (runner.Runner, error) {
			return &processRunner{process: p, env: cmd.Env, dir: socketDir}, nil
		},
	})
	conn, err := dial(ctx, client)
	if err == nil && !stop() {
		err = context.Cause(ctx) // it has been killed meanwhile
	}
	if err != nil {
		p.end(0)
		if conn != nil {
			_ = conn.Close()
		}
		client.Kill()
		return nil, p.explain(ctx, err)
	}
	return &connection{
		process: p, PluginClient: pluginpb.NewPluginClient(conn), conn: conn, client: client,
		health: grpc_health_v1.NewHealthClient(conn),
	}, nil
}

func dial(ctx context.Context, client *goplugin.Client) (*grpc.ClientConn, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	raw, err := protocol.Dispense(pluginpb.Name)
	if err != nil {
		return nil, err
	}
	conn := raw.(*grpc.ClientConn)
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || state == connectivity.Shutdown {
			return conn, errors.New("it does not answer on its socket")
		}
		if !conn.WaitForStateChange(ctx, state) {
			return conn, ctx.Err()
		}
	}
	return conn, nil
}

// socketBase leaves room in the 108 bytes of a socket's path.
func socketBase() string {
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		if info, err := os.Stat(base); err == nil && info.IsDir() && filepath.IsAbs(base) && len(base) <= 40 {
			return base
		}
	}
	return "/tmp"
}

// refuseStreams keeps go-plugin's own streams shut: the broker dials any
// address that the plugin names, the other copies what it prints.
func refuseStreams(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.") {
		return nil, status.Error(codes.Unimplemented, "not offered by Bulkhead")
	}
	return streamer(ctx, desc, cc, method, opts...)
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
	wait := time.Duration(0)
	if kindly {
		wait = grace
	}
	c.end(wait)
	_ = c.conn.Close()
	c.client.Kill() // which only cleans up: the process is gone
}

// dispensed is go-plugin's view of the supervisor's side: the connection.
type dispensed struct {
	goplugin.NetRPCUnsupportedPlugin
}

var _ goplugin.GRPCPlugin = (*dispensed)(nil)

func (*dispensed) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the supervisor's side")
}

func (*dispensed) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// processRunner adapts a process to go-plugin.
type processRunner struct {
	*process
	env []string
	dir string
}

var _ runner.Runner = (*processRunner)(nil)

func (r *processRunner) Start(context.Context) error     { return r.start(r.env) }
func (r *processRunner) Diagnose(context.Context) string { return "" }
func (r *processRunner) Stdout() io.ReadCloser           { return r.first }
func (r *processRunner) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (r *processRunner) Name() string                    { return pluginpb.Name }
func (r *processRunner) Kill(context.Context) error      { r.kill(); return nil }
func (r *processRunner) Wait(context.Context) error      { <-r.exited; return nil }
func (r *processRunner) ID() string                      { return r.id() }
func (r *processRunner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// PluginToHost accepts only a socket in the directory made for this process.
func (r *processRunner) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(addr) != filepath.Clean(r.dir) {
		return "", "", errors.New("it offers an address that is no unix socket in its own directory")
	}
	return network, addr, nil
}
