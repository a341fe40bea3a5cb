package supervisor

import (
	"log/slog"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/ipc"
)

// Log is one line that an invocation logged.
type Log struct {
	Time    time.Time  `json:"time"`
	Level   slog.Level `json:"level"`
	Message string     `json:"message"`
}

// logbook collects an invocation's log, as far as there is room; the rest is
// counted.
type logbook struct {
	mu      sync.Mutex
	lines   []Log
	room    ipc.LogRoom
	dropped int
}

// add keeps a line, or counts it when the book is full.
func (b *logbook) add(level slog.Level, message string) (kept Log, ok bool) {
	message = ipc.Clip(message, ipc.MaxLogMessage)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.room.Take(message) {
		b.dropped++
		return Log{}, false
	}
	line := Log{Time: time.Now(), Level: level, Message: message}
	b.lines = append(b.lines, line)
	return line, true
}

// drop counts lines that the sandbox has kept to itself.
func (b *logbook) drop(lines uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped += int(lines)
}

// read returns what there is so far.
func (b *logbook) read() (lines []Log, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines[:len(b.lines):len(b.lines)], b.dropped
}

// reset forgets everything, for a second try.
func (b *logbook) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines, b.room, b.dropped = nil, ipc.LogRoom{}, 0
}

// parseLevel turns a level's name, already checked, into slog's.
func parseLevel(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
