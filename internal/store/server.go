package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// readyTimeout bounds the wait for a started server.
const readyTimeout = 5 * time.Second

// maxServerMemory bounds what JetStream keeps in memory: positions of readers.
const maxServerMemory = 64 << 20

// node is the embedded server and the one connection to it.
type node struct {
	name, dir string
	log       *slog.Logger
	server    *server.Server
	conn      *nats.Conn

	failed chan struct{} // a write of JetStream's has failed
	ending chan struct{}
	ended  chan struct{}
}

// startNode returns when the server has read its files back, however long
// that takes: one stopped before leaves goroutines behind. Its name stands in
// errors and in the log.
func startNode(name, dir string, log *slog.Logger) (*node, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName:             "bulkhead",
		DontListen:             true,
		NoLog:                  true,
		NoSigs:                 true,
		NoSystemAccount:        true,
		DisableJetStreamBanner: true,
		JetStream:              true,
		StoreDir:               dir,
		SyncAlways:             true,
		JetStreamMaxMemory:     maxServerMemory,
		// JetStreamMaxStore stays unset: JetStream then takes up to three
		// quarters of what the disk has left.
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	fatal := make(chan string, 1)
	n := &node{name: name, dir: dir, log: log, server: srv, failed: make(chan struct{}, 1), ending: make(chan struct{}), ended: make(chan struct{})}
	srv.SetLoggerV2(&serverLog{name: name, log: log, fatal: fatal, failed: n.failed}, false, false, false)
	stop := func(err error) (*node, error) {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("start %s in %s: %w", name, dir, err)
	}
	srv.Start()
	select {
	case message := <-fatal:
		return stop(errors.New(message))
	default:
	}
	if !srv.ReadyForConnections(readyTimeout) {
		return stop(fmt.Errorf("not ready %s after its start", readyTimeout))
	}
	conn, err := nats.Connect("",
		nats.InProcessServer(srv),
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Debug(name+" connection", "error", err)
		}))
	if err != nil {
		return stop(err)
	}
	n.conn = conn
	go n.revive()
	return n, nil
}

func (n *node) stop() {
	close(n.ending)
	<-n.ended
	n.conn.Close()
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// reviveAfter is how long the disk is left alone after a failed write, and
// between looks at whether it takes anything again.
const reviveAfter = time.Second

// revive has JetStream read its files again once the disk takes writes after it
// has failed one: until then it refuses, without an answer, to write what the
// failure hit. All that was acknowledged is on the disk.
func (n *node) revive() {
	defer close(n.ended)
	for {
		select {
		case <-n.ending:
			return
		case <-n.failed:
		}
		for waiting := true; waiting; {
			select {
			case <-n.ending:
				return
			case <-time.After(reviveAfter):
				waiting = n.probe() != nil
			}
		}
		select {
		case <-n.failed: // it has been told more than once
		default:
		}
		err := n.server.ShutdownJetStream()
		if err == nil {
			err = n.server.EnableJetStream(&server.JetStreamConfig{StoreDir: n.dir, SyncAlways: true, MaxMemory: maxServerMemory})
		}
		if err != nil {
			n.log.Error(n.name+": its files cannot be read again after a failed write", "error", err)
			n.fail()
			continue
		}
		n.log.Warn(n.name + ": its files were read again after a failed write; the disk takes writes")
	}
}

func (n *node) fail() {
	select {
	case n.failed <- struct{}{}:
	default:
	}
}

// probe reports whether the disk takes a file.
func (n *node) probe() error {
	if err := room(n.dir, 0); err != nil {
		return err
	}
	f, err := os.CreateTemp(n.dir, ".probe-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Sync(), f.Close())
}

// serverLog passes the server's log on. Its notices are of interest only when
// debugging; nothing that a tenant does reaches it.
type serverLog struct {
	name   string
	log    *slog.Logger
	fatal  chan<- string
	failed chan<- struct{}
}

// writeFailures are what the server says when it will not write any more until
// it has read its files again; there is no other sign of it.
var writeFailures = []string{"ritical write error", "disabling JetStream"}

func (l *serverLog) notice(format string) {
	for _, text := range writeFailures {
		if strings.Contains(format, text) {
			select {
			case l.failed <- struct{}{}:
			default:
			}
		}
	}
}

func (l *serverLog) put(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, l.name+": "+fmt.Sprintf(format, v...))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.put(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.put(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.put(slog.LevelDebug, format, v) }

func (l *serverLog) Warnf(format string, v ...any) {
	l.notice(format)
	l.put(slog.LevelWarn, format, v)
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.notice(format)
	l.put(slog.LevelWarn, format, v)
}

// Fatalf means that the server gives up starting. It must not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
		l.put(slog.LevelWarn, format, v)
	}
}
