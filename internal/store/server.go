package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	server *server.Server
	conn   *nats.Conn
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
	srv.SetLoggerV2(&serverLog{name: name, log: log, fatal: fatal}, false, false, false)
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
	return &node{srv, conn}, nil
}

func (n *node) stop() {
	n.conn.Close()
	n.server.Shutdown()
	n.server.WaitForShutdown()
}

// serverLog passes the server's log on. Its notices are of interest only when
// debugging; nothing that a tenant does reaches it.
type serverLog struct {
	name  string
	log   *slog.Logger
	fatal chan<- string
}

func (l *serverLog) put(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, l.name+": "+fmt.Sprintf(format, v...))
	}
}

func (l *serverLog) Noticef(format string, v ...any) { l.put(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.put(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.put(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.put(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.put(slog.LevelWarn, format, v) }

// Fatalf means that the server gives up starting. It must not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
		l.put(slog.LevelWarn, format, v)
	}
}
