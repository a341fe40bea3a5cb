package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

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

// pieces gives each of its elements with a Read of its own, and then err.
type pieces struct {
	list []string
	err  error
}

func (p *pieces) Read(buf []byte) (int, error) {
	if len(p.list) == 0 {
		return 0, p.err
	}
	n := copy(buf, p.list[0])
	if p.list[0] = p.list[0][n:]; p.list[0] == "" {
		p.list = p.list[1:]
	}
	return n, nil
}

// stuck gives nothing until it is closed.
type stuck struct {
	closed chan struct{}
	once   sync.Once
}

func (s *stuck) Read([]byte) (int, error) {
	<-s.closed
	return 0, io.ErrClosedPipe
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// bodies answers a fetch with a streamed body, as its URL says; or not at all.
func (s *streams) bodies(args []json.RawMessage, answer map[string]any) *sandboxpb.Exception {
	var url string
	var init struct {
		Body       *string
		BodyStream *uint32
		BodySize   *int64
	}
	if json.Unmarshal(args[0], &url) != nil || json.Unmarshal(args[1], &init) != nil {
		return &sandboxpb.Exception{Name: "TypeError", Message: "bad arguments"}
	}
	var upload io.Reader = strings.NewReader("")
	kind := "inline"
	if init.Body != nil {
		upload = strings.NewReader(*init.Body)
	} else if init.BodyStream != nil {
		upload, kind = s.receiveStream(*init.BodyStream), "unsized"
		if init.BodySize != nil {
			kind = fmt.Sprint("sized ", *init.BodySize)
		}
	}
	var body io.Reader
	switch strings.TrimPrefix(url, "http://h/") {
	case "pieces":
		body = &pieces{[]string{"one", "two", "three"}, io.EOF}
	case "cut":
		body = &pieces{[]string{"some"}, errors.New("the line is cut")}
	case "json":
		body = &pieces{[]string{`{"a":["`, "\xc3", "\xa9", `"]}`}, io.EOF}
	case "form":
		answer["headers"] = [][2]string{{"content-type", "application/x-www-form-urlencoded"}}
		body = &pieces{[]string{"a=", "b+c"}, io.EOF}
	case "none":
		body = &pieces{nil, io.EOF}
	case "endless":
		body = endless{}
	case "stuck":
		body = &stuck{closed: make(chan struct{})}
	case "upload":
		all, err := io.ReadAll(upload)
		if err != nil {
			return &sandboxpb.Exception{Name: "TypeError", Message: err.Error()}
		}
		body = io.MultiReader(strings.NewReader(kind+":"), bytes.NewReader(all))
	case "takes-one", "slow-headers":
		canceled := s.count(ipc.CallCancel)
		_, _ = io.ReadFull(upload, make([]byte, 1000))
		s.await(ipc.CallCancel, canceled)
		return &sandboxpb.Exception{Name: "AbortError"}
	case "refuses":
		return &sandboxpb.Exception{Name: "PermissionError", Message: "no"}
	default:
		return nil
	}
	closer, ok := body.(io.ReadCloser)
	if !ok {
		closer = io.NopCloser(body)
	}
	answer["bodyStream"] = s.sendStream(closer)
	return nil
}

// await waits for one more control of a kind than there have been.
func (s *streams) await(op ipc.Control, before int) {
	for s.count(op) == before {
		time.Sleep(time.Millisecond)
	}
}
