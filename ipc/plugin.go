package ipc

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

const pluginName = "sandbox"

// sandboxPlugin is go-plugin's view of the contract: with a server in the
// child, without one in the supervisor, where dispensing it gives the
// connection.
type sandboxPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	server sandboxpb.SandboxServer
}

var _ plugin.GRPCPlugin = (*sandboxPlugin)(nil)

func (p *sandboxPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.server == nil {
		return errors.New("no sandbox server")
	}
	sandboxpb.RegisterSandboxServer(s, p.server)
	return nil
}

func (p *sandboxPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// silent is the only logger that go-plugin may have: at any other level it
// parses what the child writes to its stderr, and panics on some of it.
func silent() hclog.Logger { return hclog.New(&hclog.LoggerOptions{Level: hclog.Off}) }
