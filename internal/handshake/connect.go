package handshake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// Config is what Connect needs to know. Remedy, Env and Dial may be left out.
type Config struct {
	// Handshake is what both sides have to agree on.
	Handshake plugin.HandshakeConfig
	// What the process has to be, for errors: "plugin".
	What string
	// Remedy is what to do when it speaks another version of the protocol.
	Remedy string
	// Dir is a directory of this process's own, of mode 0700, for its socket.
	// Connect removes it when it returns: a connected process needs no path.
	Dir string
	// Env is added to the environment that go-plugin needs.
	Env []string
	// Timeout is how long the process may take to be ready.
	Timeout time.Duration
	// MaxMessage is the size of the largest message, in bytes, in either
	// direction.
	MaxMessage int
	// Dial are further options for the connection.
	Dial []grpc.DialOption
}

// Conn is the connection to a process.
type Conn struct {
	*grpc.ClientConn
	plugin *plugin.Client
	once   sync.Once
}

// Connect starts a process and connects to it. When it fails, or ctx ends
// before it has succeeded, the process is dead, and the error says why in words
// for the operator. After the first line, the process's standard output is the
// caller's to read, or not.
func Connect(ctx context.Context, p Process, c Config) (*Conn, error) {
	defer os.RemoveAll(c.Dir)
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Kill)
	defer stop()

	r := &processRunner{process: p, c: &c}
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  c.Handshake,
		Plugins:          plugin.PluginSet{}, // nothing is dispensed
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           Silent(),
		Stderr:           io.Discard,
		SkipHostEnv:      true,
		StartTimeout:     c.Timeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: c.Dir},
		GRPCDialOptions: append([]grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.MaxMessage), grpc.MaxCallSendMsgSize(c.MaxMessage)),
			grpc.WithIdleTimeout(0), // the socket's file is gone: there is no second connection
			grpc.WithDisableRetry(),
			grpc.WithDisableServiceConfig(),
			grpc.WithNoProxy(),
			grpc.WithStreamInterceptor(refusePluginStreams),
		}, c.Dial...),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			r.dir, r.env = dir, append(cmd.Env, c.Env...)
			return r, nil
		},
	})
	conn, err := dial(ctx, client)
	if err == nil && !stop() {
		err = context.Cause(ctx) // the timer has killed it
	}
	if err != nil {
		err = r.explain(ctx, err)
		p.Kill()
		if r.started() {
			<-p.Exited()
		}
		if conn != nil {
			_ = conn.Close()
		}
		client.Kill()
		return nil, err
	}
	return &Conn{ClientConn: conn, plugin: client}, nil
}

// unanswered says why a connection could not be made. gRPC tells only calls, and
// as text; that we have no descriptor left is something that callers look for.
func unanswered(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := conn.NewStream(ctx, &grpc.StreamDesc{}, "/none/none")
	if err != nil {
		for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
			if strings.Contains(err.Error(), cause.Error()) {
				return fmt.Errorf("it cannot be connected to: %w", cause)
			}
		}
	}
	return errors.New("it does not answer on its socket")
}

func dial(ctx context.Context, client *plugin.Client) (*grpc.ClientConn, error) {
	protocol, err := client.Client()
	if err != nil {
		return nil, err
	}
	conn := protocol.(*plugin.GRPCClient).Conn
	conn.Connect()
	for state := conn.GetState(); state != connectivity.Ready; state = conn.GetState() {
		if state == connectivity.TransientFailure || state == connectivity.Shutdown {
			return conn, unanswered(ctx, conn)
		}
		if !conn.WaitForStateChange(ctx, state) {
			return conn, ctx.Err()
		}
	}
	return conn, nil
}

// Close ends the connection: every call and stream on it fails. The process
// has to be dead already; that is its owner's part. Close may be called often.
func (c *Conn) Close() {
	c.once.Do(func() {
		_ = c.ClientConn.Close()
		c.plugin.Kill() // which only cleans up
	})
}

// Silent is the only logger that go-plugin may have: at any other level it
// parses what a process writes to its standard error, and panics on some of it.
func Silent() hclog.Logger { return hclog.New(&hclog.LoggerOptions{Level: hclog.Off}) }

// refusePluginStreams keeps go-plugin's own streams shut: the broker dials
// any address that the process names, and the other copies what it prints.
func refusePluginStreams(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.") {
		return nil, status.Error(codes.Unimplemented, "not offered by Bulkhead")
	}
	return streamer(ctx, desc, cc, method, opts...)
}
