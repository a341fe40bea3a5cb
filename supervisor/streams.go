package supervisor

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/bulkhead-run/bulkhead/platform"
)

// maxStreams is how many byte streams an invocation has open at once.
const maxStreams = 64

// errAborted is what an API's Read fails with when JavaScript aborts what it
// writes, or its invocation ends.
var errAborted = platform.Errorf("AbortError", "the stream was aborted")

// streams is the table of one invocation's byte streams. What JavaScript says
// of them is a number, which means nothing in another invocation's table and is
// never given twice.
type streams struct {
	inv *invocation
	// orphan answers for streams that JavaScript writes and no call has
	// received yet; nil until there is one. Only what receives frames uses it.
	orphan *hearing

	mu    sync.Mutex
	open  map[platform.StreamID]*stream
	last  platform.StreamID
	ended bool
}

// stream is one that JavaScript reads, or one that it writes.
type stream struct {
	id   platform.StreamID
	call *hearing // which sent or received it; nil before that

	source io.ReadCloser // what JavaScript reads; nil when it writes
	failed error         // what source failed with, to be told after its last piece

	writer *io.PipeWriter // what JavaScript writes to; nil when it reads
	reader *io.PipeReader // the other end, until a call receives it

	busy bool // a piece is under way
}

// add gives a stream its number.
func (s *streams) add(st *stream) (platform.StreamID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return 0, errAborted
	case len(s.open) >= maxStreams:
		return 0, platform.Errorf("LimitError", "an invocation can have at most %d streams open", maxStreams)
	}
	if s.open == nil {
		s.open = make(map[platform.StreamID]*stream)
	}
	s.last++
	st.id = s.last
	s.open[st.id] = st
	return st.id, nil
}

// make opens a stream that JavaScript writes.
func (s *streams) make() (platform.StreamID, error) {
	if s.orphan == nil {
		s.orphan = s.inv.hear("stream", nil)
	}
	st := &stream{call: s.orphan}
	st.reader, st.writer = io.Pipe()
	return s.add(st)
}

// take finds a stream for one piece, which ends with done. Only one may be under
// way in a stream.
func (s *streams) take(id platform.StreamID, write bool) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.open[id]
	switch {
	case st == nil:
		return nil, unknownStream(id)
	case write != (st.writer != nil):
		return nil, platform.TypeErrorf("stream %d goes the other way", id)
	case st.busy:
		return nil, platform.TypeErrorf("stream %d has a piece under way", id)
	}
	st.busy = true
	return st, nil
}

func (s *streams) done(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.busy = false
}

// remove takes a stream off the table; whoever gets it closes it.
func (s *streams) remove(id platform.StreamID) (*stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.open[id]
	if st == nil {
		return nil, unknownStream(id)
	}
	delete(s.open, id)
	return st, nil
}

func unknownStream(id platform.StreamID) error {
	return platform.TypeErrorf("stream %d is closed, or never was", id)
}

// end closes all, and lets none be opened any more.
func (s *streams) end() {
	s.mu.Lock()
	all := s.open
	s.open, s.ended = nil, true
	s.mu.Unlock()
	for _, st := range all {
		st.close(errAborted)
	}
}

func (s *streams) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) == 0
}

// owner is the call that answers for a stream's pieces; one that belongs to
// none yet has a call of its own.
func (s *streams) owner(st *stream) *hearing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return st.call
}

// close ends a stream. What JavaScript wrote ends with reason, nil for a good
// end.
func (st *stream) close(reason error) {
	defer st.call.close(nil)
	if st.source == nil {
		st.writer.CloseWithError(reason)
		return
	}
	defer func() { _ = recover() }() // an API's Close is nothing to go down with
	_ = st.source.Close()
}

// read reads the next piece into buf. The end is io.EOF.
func (st *stream) read(buf []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("panic: %v", p)
		}
	}()
	if st.failed != nil {
		return 0, st.failed
	}
	for range 100 {
		n, err = st.source.Read(buf)
		if n > 0 {
			st.failed = err
			return min(n, len(buf)), nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// write returns when all of data has been taken.
func (st *stream) write(data []byte) error {
	_, err := st.writer.Write(data)
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF) {
		return platform.TypeErrorf("nobody takes any more of what is written to stream %d", st.id)
	}
	return err
}

// callStreams is what one call sees of the invocation's streams.
type callStreams struct {
	all  *streams
	call *hearing

	mu   sync.Mutex
	used bool // a stream may depend on the call's context
}

func (c *callStreams) use() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = true
}

func (c *callStreams) wasUsed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Send implements platform.Streams.
func (c *callStreams) Send(r io.ReadCloser) (platform.StreamID, error) {
	c.use()
	c.call.retain()
	st := &stream{call: c.call, source: r}
	id, err := c.all.add(st)
	if err != nil {
		st.close(nil)
	}
	return id, err
}

// Receive implements platform.Streams.
func (c *callStreams) Receive(id platform.StreamID) (io.ReadCloser, error) {
	c.use()
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	st := c.all.open[id]
	switch {
	case st == nil:
		return nil, unknownStream(id)
	case st.source != nil:
		return nil, platform.TypeErrorf("stream %d is to be read, not written", id)
	case st.reader == nil:
		return nil, platform.TypeErrorf("stream %d has been given to a call already", id)
	}
	r := st.reader
	c.call.retain()
	st.reader, st.call = nil, c.call
	return r, nil
}
