package gateway

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// DefaultMaxBodies is what the bodies of all requests that are being served may
// come to, in bytes.
const DefaultMaxBodies = 256 << 20

var errNoRoom = errors.New("the bodies under way fill their room")

// room bounds what all bodies come to.
type room struct {
	most int64
	held atomic.Int64
}

// take reports whether there was room for n more bytes, which are taken then.
func (r *room) take(n int64) bool {
	if r.held.Add(n) <= r.most {
		return true
	}
	r.held.Add(-n)
	return false
}

// share is what one request has of it.
type share struct {
	of   *room
	held int64
}

// back returns it.
func (s *share) back() { s.of.held.Add(-s.held) }

// reader reads a body as far as there is room for it. It takes the room as the
// bytes come: a length that is only promised keeps nobody out.
type roomReader struct {
	io.Reader
	share *share
}

func (r roomReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.share != nil && n > 0 {
		if !r.share.of.take(int64(n)) {
			return 0, errNoRoom
		}
		r.share.held += int64(n)
	}
	return n, err
}

func shareOf(r *http.Request) *share {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok {
		return &v.share
	}
	return nil
}
