package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/tokens"
)

// adminCredential is the systemd credential that holds an admin token.
const adminCredential = "bulkhead-admin-token"

// socketName is the admin socket's name in its directory.
const socketName = "admin.sock"

type authConfig struct {
	Required       bool   `yaml:"required"`
	AdminTokenFile string `yaml:"admin_token_file"`
	Socket         string `yaml:"socket"`
	SocketGroup    string `yaml:"socket_group"`
}

type tlsConfig struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

type connectionsConfig struct {
	Max           int  `yaml:"max"`
	MaxPerAddress int  `yaml:"max_per_address"`
	MaxBodies     size `yaml:"max_bodies"`
}

// access is what the configuration says of who may reach the API, and how.
type access struct {
	tokens *tokens.Store
	tls    *tls.Config
	group  string
	socket string // the path of the admin socket
}

// openAccess reads tokens and certificates; dir is the data directory.
func openAccess(c config, dir string, log *slog.Logger) (_ *access, err error) {
	a := &access{group: c.Auth.SocketGroup, socket: c.path(c.Auth.Socket)}
	if a.socket == "" {
		a.socket = filepath.Join(dir, socketName)
		if run := os.Getenv("RUNTIME_DIRECTORY"); filepath.IsAbs(run) {
			run, _, _ = strings.Cut(run, ":")
			a.socket = filepath.Join(run, socketName)
		}
	}
	if a.socket, err = filepath.Abs(a.socket); err != nil {
		return nil, err
	}
	if c.Connections.Max < 0 || c.Connections.MaxPerAddress < 0 {
		return nil, usagef("connections: max and max_per_address must not be negative")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		return nil, usagef("tls: cert and key go together")
	}
	if c.TLS.Cert != "" {
		if a.tls, err = gateway.LoadTLS(c.path(c.TLS.Cert), c.path(c.TLS.Key), log); err != nil {
			return nil, err
		}
	}
	configured, err := adminToken(c.path(c.Auth.AdminTokenFile))
	if err != nil {
		return nil, err
	}
	if a.tokens, err = tokens.Open(filepath.Join(dir, "tokens"), configured, log); err != nil {
		if errors.Is(err, tokens.ErrMalformed) {
			err = usagef("the configured admin token is not one; make it with: supervisor token generate")
		}
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err}
	}
	return a, nil
}

// adminToken reads the admin token of the configuration or, without one, of
// systemd's credentials; "" when there is neither.
func adminToken(path string) (string, error) {
	if path == "" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", nil
		}
		path = filepath.Join(dir, adminCredential)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
	}
	return readToken(path)
}

// readToken reads the one line of a token's file.
func readToken(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", usagef("cannot read the token %s: %v", path, plain(err))
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		return "", usagef("everyone can read the token %s (chmod 600 it)", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usagef("cannot read the token %s: %v", path, plain(err))
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, "\r\n\t ") {
		return "", usagef("%s does not hold one token", path)
	}
	return token, nil
}

// exposed tells whether the listener may be one that other machines reach: with
// TLS, or when somebody says that it is done elsewhere.
func (a *access) exposed(plainHTTP bool) bool { return plainHTTP || a.tls != nil }

// explain says in the log who needs a token.
func (a *access) explain(c config, ln net.Listener, log *slog.Logger) {
	switch loopback := gateway.Loopback(ln.Addr()); {
	case a.tokens.Ever() || c.Auth.Required:
		log.Info("requests need a token, save those over the admin socket", slog.String("socket", a.socket))
	case !loopback:
		log.Warn("requests need a token, and there is none yet: make one with `supervisor token create`", slog.String("socket", a.socket))
	default:
		log.Info("every user and program of this machine may use the API, until the first `supervisor token create` or auth.required: true", slog.String("listen", ln.Addr().String()))
	}
	if !gateway.Loopback(ln.Addr()) && a.tls == nil {
		log.Warn("tokens cross the network in the clear, unless a proxy in front does the TLS", slog.String("listen", ln.Addr().String()))
	}
}

// serve answers on both listeners until ctx ends, or one of them fails.
func (a *access) serve(ctx context.Context, g *gateway.Server, ln, admin net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 2)
	for _, ln := range []net.Listener{ln, admin} {
		go func() {
			defer cancel()
			ended <- g.Serve(ctx, ln)
		}()
	}
	return errors.Join(<-ended, <-ended)
}

// url is how the listener is reached.
func (a *access) url(ln net.Listener) string {
	scheme := "http"
	if a.tls != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, ln.Addr())
}
