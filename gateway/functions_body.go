package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slowest is how fast a client has to be, in bytes a second, once its first
	// time is used up.
	slowest = 1 << 10
	// farewell is how long the rest of a body that nobody wants may take to
	// arrive, so that its connection can be used again.
	farewell = 500 * time.Millisecond
)

// pace is how long a client has made us wait, and for how much. What the function
// takes does not count.
type pace struct {
	first  time.Duration // whatever comes in it
	waited time.Duration
	bytes  int64
}

func (p *pace) left() time.Duration {
	return max(p.first+time.Duration(p.bytes)*time.Second/slowest-p.waited, 0)
}

func (p *pace) count(began time.Time, n int) {
	p.waited += time.Since(began)
	p.bytes += int64(n)
}

// requestBody is the body of a request, which the function reads as it likes.
type requestBody struct {
	rc   *http.ResponseController
	body io.ReadCloser
	most int64
	over atomic.Bool

	mu sync.Mutex // one Read at a time
	pace

	state  sync.Mutex // guards closed, and the read deadline when it is
	closed bool
}

var errTooLarge = errors.New("it is larger than this server takes")

func newRequestBody(w http.ResponseWriter, r *http.Request, most int64, first time.Duration) *requestBody {
	b := &requestBody{rc: http.NewResponseController(w), body: r.Body, most: most, pace: pace{first: first}}
	_ = b.rc.EnableFullDuplex() // of HTTP/1; with others it is no question
	return b
}

func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes >= b.most { // is there one byte more?
		p = p[:min(1, len(p))]
	}
	began := time.Now()
	if !b.deadline(began.Add(b.left())) {
		return 0, os.ErrClosed
	}
	n, err := b.body.Read(p)
	b.count(began, n)
	b.deadline(time.Time{})
	switch {
	case b.bytes > b.most:
		b.over.Store(true)
		return 0, errTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errors.New("it took too long to arrive")
	}
	return n, err
}

// deadline sets when a Read fails, unless the body is closed.
func (b *requestBody) deadline(at time.Time) bool {
	b.state.Lock()
	defer b.state.Unlock()
	if !b.closed {
		_ = b.rc.SetReadDeadline(at)
	}
	return !b.closed
}

// Close ends a Read that is under way, and lets none begin.
func (b *requestBody) Close() error {
	b.state.Lock()
	defer b.state.Unlock()
	if !b.closed {
		b.closed = true
		_ = b.rc.SetReadDeadline(time.Now().Add(farewell))
	}
	return nil
}

// finish is called before the request is over, after which nobody may read.
func (b *requestBody) finish() {
	_ = b.Close()
	b.mu.Lock() // until the last Read has returned
	defer b.mu.Unlock()
}

func (b *requestBody) tooLarge() bool { return b.over.Load() }
