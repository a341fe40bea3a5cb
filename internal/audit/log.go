package audit

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/DeRuina/timberjack"

	"github.com/bulkhead-run/bulkhead/internal/fanout"
)

const (
	// queueSize is how many entries wait for the disk.
	queueSize = 4096
	// patience is how long Record waits for room in the queue.
	patience = 100 * time.Millisecond
	// gathering is how long entries wait for others, to be written together:
	// one by one, each would cost its host call a thread's wake-up and a write.
	gathering = 10 * time.Millisecond
	// fileName is the file that is written; rotated ones have the time in
	// their names.
	fileName = "audit.jsonl"
)

// Options configure a Log. Zero values mean the defaults.
type Options struct {
	// Dir is where the files lie. Empty keeps no files: only followers see
	// the entries.
	Dir string
	// MaxSize is how large a file becomes, in MiB. Default 64.
	MaxSize int
	// Keep is how many files are kept beside the one that is written.
	// Default 8.
	Keep int
	// Logger is told when entries are lost. Default slog.Default().
	Logger *slog.Logger
}

// Log records entries. Its methods may be called from many goroutines. The
// caller closes it.
type Log struct {
	log  *slog.Logger
	file io.WriteCloser // nil without a directory

	queue chan *Entry
	done  chan struct{} // closed when the writer has ended
	lost  atomic.Uint64 // since the last entry that told
	total atomic.Uint64 // since Open

	mu        sync.Mutex
	closed    bool
	recording sync.WaitGroup // calls of Record
	followers fanout.Hub[shown]
}

// Open makes the directory, of mode 0700, and starts the writer.
func Open(o Options) (*Log, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MaxSize <= 0 {
		o.MaxSize = 64
	}
	if o.Keep <= 0 {
		o.Keep = 8
	}
	l := &Log{log: o.Logger, queue: make(chan *Entry, queueSize), done: make(chan struct{})}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("the audit log's directory: %w", err)
		}
		path := filepath.Join(o.Dir, fileName)
		probe, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("the audit log: %w", err)
		}
		if err := probe.Close(); err != nil {
			return nil, fmt.Errorf("the audit log: %w", err)
		}
		l.file = &timberjack.Logger{Filename: path, MaxSize: o.MaxSize, MaxBackups: o.Keep, FileMode: 0o600}
	}
	go l.write()
	return l, nil
}

// Record takes an entry, which must not change any more.
func (l *Log) Record(e *Entry) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.lose(1)
		return
	}
	l.recording.Add(1)
	l.mu.Unlock()
	defer l.recording.Done()
	select {
	case l.queue <- e:
		return
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case l.queue <- e:
	case <-timer.C:
		l.lose(1)
	}
}

func (l *Log) lose(n uint64) {
	l.lost.Add(n)
	l.total.Add(n)
}

// Lost returns how many entries could not be written since Open.
func (l *Log) Lost() uint64 { return l.total.Load() }

// Close writes what is waiting, ends the followers and closes the file.
// Entries recorded later are lost.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		<-l.done
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.recording.Wait()
	close(l.queue)
	<-l.done
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
