package ipc

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const (
	maxHeaders    = 16 << 10
	streamWindow  = 1 << 20
	connWindow    = 8 << 20
	keepaliveTime = time.Minute
)

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
	conn *handshake.Conn
}

// Start starts the child, shakes hands with it and connects. When it fails, the
// child is dead, and the error says why in words for the operator.
func Start(ctx context.Context, p handshake.Process, c Config) (*Client, error) {
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	conn, err := handshake.Connect(ctx, p, handshake.Config{
		Handshake:  agreement(),
		What:       "Bulkhead sandbox",
		Remedy:     "install both binaries from the same release",
		Dir:        c.Dir,
		Env:        append([]string{versionKey + "=" + ThisVersion().encode()}, c.Env...),
		Timeout:    c.Timeout,
		MaxMessage: MaxFrame,
		Dial: []grpc.DialOption{
			grpc.WithTransportCredentials(peerOnly(p.PID)),
			grpc.WithMaxHeaderListSize(maxHeaders),
			grpc.WithStaticStreamWindowSize(streamWindow),
			grpc.WithStaticConnWindowSize(connWindow),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTime, PermitWithoutStream: true}),
		},
	})
	if err != nil {
		return nil, err
	}
	return &Client{SandboxClient: sandboxpb.NewSandboxClient(conn), conn: conn}, nil
}

// Close ends the connection: every call and stream on it fails. The child has
// to be dead already; that is its owner's part. Close may be called often.
func (c *Client) Close() { c.conn.Close() }
