package ipc

import (
	"math"
	"os"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/bulkhead-run/bulkhead/internal/handshake"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// maxStreams bounds the slots, and the calls beside them, of one process.
const maxStreams = 4096

// Serve announces the sandbox to the supervisor and serves it until the
// connection is shut down. Call it in the child, after [Check]; only the
// process's parent can connect. From then on os.Stdout and os.Stderr lead
// nowhere: use a logger made before.
func Serve(server sandboxpb.SandboxServer) {
	parent := os.Getppid()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: agreement(),
		Plugins:         plugin.PluginSet{"sandbox": &sandboxPlugin{server: server}},
		Logger:          handshake.Silent(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts,
				grpc.Creds(peerOnly(func() int { return parent })),
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
