package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
)

// Serve offers apis to the supervisor that started this program. It returns
// when the supervisor wants the program to end: what is to be cleaned up comes
// after it, and has a second. A program that was started by hand, or whose APIs
// are wrong, exits with status 1 and says why.
func Serve(apis ...platform.API) {
	if os.Getenv(pluginpb.Handshake().MagicCookieKey) != pluginpb.Handshake().MagicCookieValue {
		fmt.Fprintln(os.Stderr, "This is a plugin for Bulkhead: put it into the folder that the supervisor's configuration names under apis.plugins.")
		os.Exit(1)
	}
	s, err := newServer(apis, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ended := make(chan struct{}, 2)
	go func() {
		// The supervisor holds the other end for as long as it lives.
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended <- struct{}{}
	}()
	go func() {
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig: pluginpb.Handshake(),
			Plugins:         goplugin.PluginSet{pluginpb.Name: &servedPlugin{server: s}},
			Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(pluginpb.MaxMessage), grpc.MaxSendMsgSize(pluginpb.MaxMessage))...)
			},
		})
		ended <- struct{}{}
	}()
	<-ended
}

type servedPlugin struct {
	goplugin.NetRPCUnsupportedPlugin
	server *server
}

var _ goplugin.GRPCPlugin = (*servedPlugin)(nil)

func (p *servedPlugin) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pluginpb.RegisterPluginServer(s, p.server)
	return nil
}

func (p *servedPlugin) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side")
}

// server answers the supervisor.
type server struct {
	pluginpb.UnimplementedPluginServer
	apis      map[string]platform.API
	described *pluginpb.DescribeResponse
	stderr    *os.File
	restore   sync.Once
}

func newServer(apis []platform.API, stderr *os.File) (*server, error) {
	s := &server{apis: map[string]platform.API{}, described: &pluginpb.DescribeResponse{}, stderr: stderr}
	var names []string
	for _, api := range apis {
		err := platform.CheckName(api.Name, names)
		switch {
		case err != nil:
			return nil, fmt.Errorf("plugin: %w", err)
		case api.Func == nil:
			return nil, fmt.Errorf("plugin: the API %q has no Func", api.Name)
		case api.Attributes != nil || api.ChecksItself:
			return nil, fmt.Errorf("plugin: the API %q has Attributes or ChecksItself, which work only inside the supervisor", api.Name)
		}
		names = append(names, api.Name)
		s.apis[api.Name] = api
		described := &pluginpb.API{Name: api.Name, Doc: api.Doc, Sync: api.Sync}
		if api.Schema != nil {
			described.Arguments, described.Result = api.Schema.Arguments(), api.Schema.Result()
		}
		s.described.Apis = append(s.described.Apis, described)
	}
	if len(apis) == 0 || len(apis) > pluginpb.MaxAPIs {
		return nil, fmt.Errorf("plugin: there are %d APIs; it must be 1 to %d", len(apis), pluginpb.MaxAPIs)
	}
	return s, nil
}

func (s *server) Describe(context.Context, *pluginpb.DescribeRequest) (*pluginpb.DescribeResponse, error) {
	// go-plugin has put pipes in place of these, for a stream that the
	// supervisor does not open: whoever filled one would wait for ever.
	s.restore.Do(func() { os.Stdout, os.Stderr = s.stderr, s.stderr })
	return s.described, nil
}
