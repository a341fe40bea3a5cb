package ipc

import (
	"errors"
	"math"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// maxStreams bounds the calls to one process.
const maxStreams = 256

// Serve announces the sandbox to the supervisor and serves it until the
// connection is shut down. Call it in the child, after [Check]; only the
// process's parent can connect, and only once (in a pid namespace of its own a
// process cannot tell its parent, and takes what can reach its socket: the path is in a
// directory of mode 0700): when it has, connected is called,
// before anything that the supervisor sends is read. From then on os.Stdout and
// os.Stderr lead nowhere: use what was kept of them before.
func Serve(server sandboxpb.SandboxServer, connected func()) {
	parent := os.Getppid()
	accept := onlyOnce{TransportCredentials: peerOnly(func() int { return parent }), connected: connected, taken: new(atomic.Bool)}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: agreement(),
		Plugins:         plugin.PluginSet{"sandbox": &sandboxPlugin{server: server}},
		Logger:          handshake.Silent(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts,
				grpc.Creds(accept),
				grpc.MaxRecvMsgSize(MaxFrame),
				grpc.MaxSendMsgSize(MaxFrame),
				grpc.MaxConcurrentStreams(maxStreams),
				grpc.MaxHeaderListSize(maxHeaders),
				grpc.StaticStreamWindowSize(streamWindow),
				grpc.StaticConnWindowSize(connWindow),
				grpc.ConnectionTimeout(10*time.Second),
				grpc.KeepaliveParams(keepalive.ServerParameters{Time: math.MaxInt64}),
				grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveTime / 2, PermitWithoutStream: true}),
			)...)
		},
	})
}

// onlyOnce lets one connection through, after connected has been called.
type onlyOnce struct {
	credentials.TransportCredentials
	connected func()
	taken     *atomic.Bool
}

func (o onlyOnce) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := o.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		return nil, nil, err
	}
	if o.taken.Swap(true) {
		_ = conn.Close()
		return nil, nil, errors.New("there is a connection already")
	}
	o.connected()
	return conn, info, nil
}

func (o onlyOnce) Clone() credentials.TransportCredentials { return o }
