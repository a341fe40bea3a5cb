package fetch

import (
	"errors"
	"io"
	"sync"

	"github.com/bulkhead-run/bulkhead/platform"
)

// streams are an invocation's streams, played by the test.
type streams struct {
	mu   sync.Mutex
	last platform.StreamID
	out  map[platform.StreamID]io.ReadCloser
	in   map[platform.StreamID]io.ReadCloser
	// refuse, if not nil, is what Send fails with.
	refuse error
}

func (s *streams) Send(r io.ReadCloser) (platform.StreamID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return 0, errors.Join(s.refuse, r.Close())
	}
	if s.out == nil {
		s.out = map[platform.StreamID]io.ReadCloser{}
	}
	s.last++
	s.out[s.last] = r
	return s.last, nil
}

func (s *streams) Receive(id platform.StreamID) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.in[id]
	delete(s.in, id)
	if r == nil {
		return nil, platform.TypeErrorf("no such stream")
	}
	return r, nil
}

// write makes r what JavaScript writes to a stream.
func (s *streams) write(r io.ReadCloser) platform.StreamID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		s.in = map[platform.StreamID]io.ReadCloser{}
	}
	s.last++
	s.in[s.last] = r
	return s.last
}

// sent is what JavaScript reads.
func (s *streams) sent(id platform.StreamID) io.ReadCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out[id]
}

// end is the invocation's end.
func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.out {
		r.Close()
	}
}
