package sandbox_test

import (
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// streams is the supervisor's part of byte streams, played by the test.
type streams struct {
	mu      sync.Mutex
	last    uint32
	sent    map[uint32]io.ReadCloser  // what JavaScript reads
	written map[uint32]*io.PipeWriter // what JavaScript writes
	ends    map[uint32]*io.PipeReader // the other ends of these
	did     []ipc.Control             // every control, in order
	refused int
}

// sendStream gives JavaScript r to read.
func (s *streams) sendStream(r io.ReadCloser) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent = map[uint32]io.ReadCloser{}
	}
	s.last++
	s.sent[s.last] = r
	return s.last
}

// receiveStream returns what JavaScript writes.
func (s *streams) receiveStream(id uint32) *io.PipeReader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ends[id]
}

func (s *streams) count(op ipc.Control) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, did := range s.did {
		if did == op {
			n++
		}
	}
	return n
}

func (s *streams) control(op ipc.Control, id uint32, data []byte, result *sandboxpb.HostResult) {
	s.mu.Lock()
	s.did = append(s.did, op)
	r, w := s.sent[id], s.written[id]
	if op == ipc.StreamOpen {
		if s.ends == nil {
			s.ends, s.written = map[uint32]*io.PipeReader{}, map[uint32]*io.PipeWriter{}
		}
		s.last++
		s.ends[s.last], s.written[s.last] = io.Pipe()
		result.Value = strconv.AppendUint(nil, uint64(s.last), 10)
	}
	s.mu.Unlock()
	var err error
	switch {
	case op == ipc.StreamRead && r != nil:
		buf := make([]byte, 64<<10)
		var n int
		n, err = r.Read(buf)
		result.Data = buf[:n]
		if n > 0 || err == io.EOF {
			err = nil
		}
	case op == ipc.StreamWrite && w != nil:
		_, err = w.Write(data)
	case op == ipc.StreamClose && w != nil:
		w.Close()
	case op == ipc.StreamCancel && w != nil:
		w.CloseWithError(fmt.Errorf("aborted"))
	case r != nil:
		r.Close()
	case op != ipc.StreamOpen && op != ipc.CallCancel:
		err = fmt.Errorf("no stream %d for %s", id, op)
	}
	if err != nil {
		result.Exception = &sandboxpb.Exception{Name: "TypeError", Message: err.Error()}
	}
}
