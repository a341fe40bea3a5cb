package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
)

func serverFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "server", Usage: "`URL` of the supervisor, or unix:PATH of its admin socket", EnvVars: []string{"BULKHEAD_SERVER"},
		DefaultText: "this machine's admin socket, or " + defaultServer,
	}
}

// tokenFlag goes with every serverFlag; see prepare.
func tokenFlag() cli.Flag {
	return &cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token to send", DefaultText: "the variable BULKHEAD_TOKEN, if set"}
}

const defaultServer = "http://" + defaultListen

// dial makes the client of a command.
func dial(c *cli.Context) (*client.Client, error) {
	return dialServer(c.String("server"), c.String("token-file"))
}

// dialServer makes a client, of this machine's supervisor when server is empty.
func dialServer(server, tokenFile string) (*client.Client, error) {
	token := os.Getenv("BULKHEAD_TOKEN")
	if tokenFile != "" {
		var err error
		if token, err = readToken(tokenFile); err != nil {
			return nil, err
		}
	}
	if server == "" {
		server = localServer()
	}
	return client.New(server, client.WithToken(token))
}

// localServer returns the first admin socket that answers where serve puts it
// by default, or else the default listener.
func localServer() string {
	sockets := []string{"/run/bulkhead/" + socketName}
	if dir, err := defaultDataDir(); err == nil {
		sockets = append(sockets, filepath.Join(dir, socketName))
	}
	denied := ""
	for _, path := range sockets {
		conn, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			conn.Close()
			return "unix:" + path
		}
		if errors.Is(err, fs.ErrPermission) && denied == "" {
			denied = "unix:" + path
		}
	}
	if denied != "" {
		conn, err := net.DialTimeout("tcp", defaultListen, time.Second)
		if err != nil {
			return denied // there is a supervisor: say why it cannot be asked
		}
		conn.Close()
	}
	return defaultServer
}
