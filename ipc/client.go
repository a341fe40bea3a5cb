package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	maxHeaders    = 16 << 10
	streamWindow  = 1 << 20
	connWindow    = 8 << 20
	keepaliveTime = time.Minute
	// maxLine bounds the one line that a child writes to its stdout.
	maxLine = 1 << 10
)

// Child is a sandbox process as [Start] needs it: how it comes to life, and
// how it ends, is its owner's business.
type Child interface {
	// Start starts the process with this environment and nothing else.
	Start(env []string) error
	// PID is the process's id once it has been started.
	PID() int
	// Stdout is valid after Start and ends when the process has ended. Its
	// first line is all that is read of it.
	Stdout() io.ReadCloser
	// Kill ends the process at once. It may be called at any time, often.
	Kill()
	// Exited is closed when the process has ended and has been reaped.
	Exited() <-chan struct{}
	// Tail is the end of what the process wrote to its stderr.
	Tail() string
}

// Config is what Start needs to know.
type Config struct {
	// Dir is a directory of this child's own, of mode 0700, for its socket.
	// Start removes it when it returns: a connected child needs no path.
	Dir string
	// Env is added to the child's environment.
	Env []string
	// Timeout is how long the child may take to be ready.
	Timeout time.Duration
}

// Client is the connection to one sandbox process.
type Client struct {
	sandboxpb.SandboxClient
	plugin *plugin.Client
	conn   *grpc.ClientConn
	once   sync.Once
}

// Start starts child, shakes hands with it and connects. When it fails, the
// child is dead, and the error says why in words for the operator.
func Start(ctx context.Context, child Child, c Config) (*Client, error) {
	defer os.RemoveAll(c.Dir)
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, child.Kill)
	defer stop()

	r := &childRunner{child: child}
	pc := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake(),
		Plugins:          plugin.PluginSet{pluginName: &sandboxPlugin{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           silent(),
		Stderr:           io.Discard,
		SkipHostEnv:      true,
		StartTimeout:     c.Timeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: c.Dir},
		GRPCDialOptions:  dialOptions(child),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			r.dir = dir
			// Only what go-plugin itself needs, and what the caller gave.
			r.env = append(append(cmd.Env, versionKey+"="+ThisVersion().encode()), c.Env...)
			return r, nil
		},
	})
	conn, err := connect(ctx, pc)
	if err == nil && !stop() {
		err = context.Cause(ctx) // the timer has killed it
	}
	if err != nil {
		failed := r.explain(ctx, err)
		child.Kill()
		if r.started() {
			<-child.Exited()
		}
		if conn != nil {
			_ = conn.Close()
		}
		pc.Kill()
		return nil, failed
	}
	return &Client{SandboxClient: sandboxpb.NewSandboxClient(conn), plugin: pc, conn: conn}, nil
}

func connect(ctx context.Context, pc *plugin.Client) (*grpc.ClientConn, error) {
	protocol, err := pc.Client()
	if err != nil {
		return nil, err
	}
	raw, err := protocol.Dispense(pluginName)
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

// Close ends the connection: every call and stream on it fails. The child has
// to be dead already; that is its owner's part. Close may be called often.
func (c *Client) Close() {
	c.once.Do(func() {
		_ = c.conn.Close()
		c.plugin.Kill()
	})
}

func dialOptions(child Child) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithTransportCredentials(peerOnly(child.PID)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxFrame), grpc.MaxCallSendMsgSize(MaxFrame)),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTime, PermitWithoutStream: true}),
		grpc.WithIdleTimeout(0), // the socket's file is gone: there is no second connection
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		grpc.WithStreamInterceptor(refusePluginStreams),
	}
}

// refusePluginStreams keeps go-plugin's own streams shut: the broker dials
// any address that the child names, and the other copies what the child
// prints.
func refusePluginStreams(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.") {
		return nil, status.Error(codes.Unimplemented, "not offered by Bulkhead")
	}
	return streamer(ctx, desc, cc, method, opts...)
}

// childRunner adapts a Child to go-plugin.
type childRunner struct {
	child Child
	dir   string // where the child's socket must be
	env   []string

	mu    sync.Mutex
	up    bool
	first *lineReader
	fault string // our own words for what is wrong with the handshake
}

var _ runner.Runner = (*childRunner)(nil)

func (r *childRunner) Start(context.Context) error {
	if err := r.child.Start(r.env); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up = true
	r.first = &lineReader{r: r.child.Stdout(), left: maxLine}
	return nil
}

func (r *childRunner) started() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up
}

func (r *childRunner) Diagnose(context.Context) string { return "" }
func (r *childRunner) Stdout() io.ReadCloser           { return r.first }
func (r *childRunner) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (r *childRunner) Name() string                    { return pluginName }
func (r *childRunner) Kill(context.Context) error      { r.child.Kill(); return nil }

func (r *childRunner) ID() string {
	if !r.started() {
		return ""
	}
	return strconv.Itoa(r.child.PID())
}

func (r *childRunner) Wait(context.Context) error {
	<-r.child.Exited()
	return nil
}

func (r *childRunner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// PluginToHost accepts an address only if it is a socket right inside the
// directory that was made for this child.
func (r *childRunner) PluginToHost(network, addr string) (string, string, error) {
	if err := checkAddress(r.dir, network, addr); err != nil {
		r.mu.Lock()
		r.fault = err.Error()
		r.mu.Unlock()
		return "", "", err
	}
	return network, addr, nil
}

func checkAddress(dir, network, addr string) error {
	if network != "unix" {
		return fmt.Errorf("it offers a %q address; only a unix socket is accepted", Clip(network, 16))
	}
	if filepath.Dir(addr) != filepath.Clean(dir) || filepath.Clean(addr) != addr {
		return errors.New("it offers a socket outside its own directory")
	}
	info, err := os.Lstat(addr)
	if err != nil {
		return errors.New("it offers a socket that does not exist")
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("it offers a %v instead of a socket", info.Mode().Type())
	}
	return nil
}

// explain turns go-plugin's error into one for the operator: what the child
// said on its stderr is most often the reason.
func (r *childRunner) explain(ctx context.Context, err error) error {
	if !r.started() {
		return err
	}
	r.mu.Lock()
	fault, line := r.fault, r.first.line()
	r.mu.Unlock()

	exited := false
	select {
	case <-r.child.Exited():
		exited = true
	case <-time.After(100 * time.Millisecond):
		// A child that is about to exit has a last word to say.
	}
	tail := r.child.Tail()
	parts := strings.Split(line, "|")
	switch {
	case fault != "":
		return errors.New(fault)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("it was not ready in time")
	case len(parts) >= 2 && parts[0] == strconv.Itoa(plugin.CoreProtocolVersion) && parts[1] != strconv.Itoa(Protocol):
		return fmt.Errorf("version mismatch: it speaks protocol %s, the supervisor (%v) speaks %d; install both binaries from the same release",
			Clip(parts[1], 16), ThisVersion(), Protocol)
	case line == "" && exited:
		err = errors.New("it exited before its handshake")
	case line != "" && len(parts) < 4:
		err = fmt.Errorf("it is not a Bulkhead sandbox: it wrote %q instead of a handshake", Clip(line, 80))
	}
	if tail != "" {
		return fmt.Errorf("%w; it said: %s", err, tail)
	}
	return err
}

// lineReader lets one line through, of a bounded length, and then ends.
type lineReader struct {
	r    io.ReadCloser
	left int

	mu   sync.Mutex
	seen []byte
	done bool
}

func (l *lineReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	done, left := l.done, l.left
	l.mu.Unlock()
	if done || left <= 0 {
		return 0, io.EOF
	}
	n, err := l.r.Read(p[:min(len(p), left)])
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := strings.IndexByte(string(p[:n]), '\n'); i >= 0 {
		n, l.done = i+1, true
	}
	l.left -= n
	l.seen = append(l.seen, p[:n]...)
	return n, err
}

func (l *lineReader) Close() error { return l.r.Close() }

func (l *lineReader) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(l.seen), "?"))
}
