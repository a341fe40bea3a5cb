package audit

import (
	"encoding/json"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/plainjson"
)

// batchSize is how many bytes are written at once, give or take an entry.
const batchSize = 64 << 10

// batch is what the writer writes at once.
type batch struct {
	lines   []byte
	entries uint64 // in lines
	lost    uint64 // told of in the first of lines
}

// write is the one goroutine that writes.
func (l *Log) write() {
	defer close(l.done)
	defer l.followers.Close()
	var b batch
	failing := false
	for e := range l.queue {
		time.Sleep(gathering)
		for l.add(&b, e); len(l.queue) > 0; l.add(&b, <-l.queue) {
			if len(b.lines) >= batchSize {
				failing = !l.flush(&b, failing)
			}
		}
		failing = !l.flush(&b, failing)
	}
}

// add makes an entry's line and shows it to the followers, who see it in any
// case.
func (l *Log) add(b *batch, e *Entry) {
	if len(b.lines) == 0 {
		if b.lost = l.lost.Swap(0); b.lost > 0 {
			told := &Entry{Time: time.Now(), Lost: b.lost}
			line := lostLine(told, b.lost)
			l.followers.Show(shown{told, line}, nil)
			b.lines = append(b.lines, line...)
		}
	}
	line, err := json.Marshal(e)
	if err != nil {
		l.lose(1)
		return
	}
	line = append(plainjson.Escape(line), '\n')
	l.followers.Show(shown{e, line}, nil)
	b.lines = append(b.lines, line...)
	b.entries++
}

// flush writes a batch, which is empty afterwards. The first of several that
// cannot be written is told to the logger.
func (l *Log) flush(b *batch, failing bool) (ok bool) {
	var err error
	if l.file != nil && len(b.lines) > 0 {
		_, err = l.file.Write(b.lines)
	}
	if err != nil {
		l.lost.Add(b.lost) // which nobody has been told of yet
		l.lose(b.entries)
		if !failing {
			l.log.Warn("the audit log cannot be written; entries are lost until it can")
		}
	}
	*b = batch{lines: b.lines[:0]}
	return err == nil
}
