package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/gateway"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/systemd"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

const (
	// retireTime is how long a client that holds an unused connection has to
	// send a request on it, and so learn that it is going to be closed.
	retireTime = 5 * time.Second
	// closeTime is what ending takes at most beyond the drain.
	closeTime = 10 * time.Second
)

// manager is serve's side of whatever started it, and the sockets that it
// serves.
type manager struct {
	systemd   *systemd.Manager
	ln        net.Listener
	functions net.Listener // nil when functions are served nowhere
	kept      bool         // the service manager keeps a socket open
	log       *slog.Logger
}

// serviceManager takes the sockets that the service manager has passed, and
// opens those that it has not: the API's at addr, the functions' at functionsAddr
// unless that is empty. exposed is as for gateway.Listen. The caller closes the
// manager.
func serviceManager(addr, functionsAddr string, exposed bool, log *slog.Logger) (_ *manager, err error) {
	invalid := func(err error) error {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err, Remedy: "see docs/operations.md for what serve takes from a service manager"}
	}
	s, err := systemd.FromEnvironment()
	if err != nil {
		return nil, invalid(err)
	}
	m := &manager{systemd: s, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close(err))
		}
	}()
	// A socket unit that names nothing passes the unit's own name.
	m.ln, m.functions = s.Listener("http", "bulkhead.socket"), s.Listener("functions", "bulkhead-functions.socket")
	// Sockets that bind to nothing we know are a mistake in the unit.
	if names := s.Unclaimed(); len(names) > 0 {
		return m, invalid(fmt.Errorf("the service manager passed the sockets %s; serve knows one http and one functions", strings.Join(names, ", ")))
	}
	for _, ln := range []struct {
		is     *net.Listener
		option string
		open   func() (net.Listener, error)
	}{
		{&m.ln, "listen", func() (net.Listener, error) { return gateway.Listen(addr, exposed) }},
		{&m.functions, "functions.listen", func() (net.Listener, error) { return openFunctions(functionsAddr, exposed) }},
	} {
		if *ln.is == nil {
			if *ln.is, err = ln.open(); err != nil {
				return m, err
			}
			continue
		}
		m.kept = true
		if err := gateway.CheckListener(*ln.is, exposed); err != nil {
			return m, err
		}
		log.Info("the socket is the service manager's; "+ln.option+" is not used", slog.String("address", (*ln.is).Addr().String()))
	}
	return m, nil
}

// close closes the sockets, and tells why when err ended serve.
func (m *manager) close(err error) error {
	if err != nil {
		m.notified(m.systemd.Notify("STATUS=ended: " + err.Error()))
	}
	var errs []error
	for _, ln := range []net.Listener{m.ln, m.functions} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, m.systemd.Close())...)
}

// shutdownTimeout is how long the gateway waits for its requests: when new ones
// are not refused, for as long as they may take.
func (m *manager) shutdownTimeout(drain time.Duration) time.Duration {
	if m.kept {
		return drain + closeTime
	}
	return closeTime
}

// watch says that all is ready, and then that it still is. The caller calls
// stop.
func (m *manager) watch(s *supervisor.Supervisor, g *gateway.Server) (stop func()) {
	status := func() string { return m.status(s) }
	m.notified(m.systemd.Ready(status()))
	return m.systemd.Watch(func(ctx context.Context) error {
		if err := s.Alive(ctx); err != nil {
			return err
		}
		return g.Probe(ctx)
	}, status, m.log)
}

func (m *manager) status(s *supervisor.Supervisor) string {
	n := s.Stats()
	state := "serving"
	if err := s.Ready(); err != nil {
		state = "not ready: " + err.Error()
	}
	return fmt.Sprintf("%s on %s; %d running, %d sandbox processes, %d of them tenants'", state, m.ln.Addr(), n.Running, n.Processes, n.Tenants)
}

func (m *manager) stopping(drain time.Duration) {
	m.notified(m.systemd.Stopping("draining; what runs has "+drain.String()+" to finish", drain+retireTime+closeTime))
}

// reload surrounds a reload.
func (m *manager) reload(s *supervisor.Supervisor, do func()) {
	m.notified(m.systemd.Reloading())
	do()
	m.notified(m.systemd.Ready(m.status(s)))
}

func (m *manager) notified(err error) {
	if err != nil {
		m.log.Warn("the service manager was not told", slog.Any("error", err))
	}
}
