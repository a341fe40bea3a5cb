package ipc

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// sandboxPlugin is go-plugin's view of a sandbox that serves.
type sandboxPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server sandboxpb.SandboxServer
}

var _ plugin.GRPCPlugin = (*sandboxPlugin)(nil)

func (p *sandboxPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	sandboxpb.RegisterSandboxServer(s, p.server)
	return nil
}

func (*sandboxPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the sandbox's side")
}
