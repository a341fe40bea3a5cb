package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// LinesType is the media type of a stream of JSON objects, one a line.
const LinesType = "application/x-ndjson"

// lineStream is an answer that lasts.
type lineStream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
}

func newLineStream(w http.ResponseWriter) *lineStream {
	return &lineStream{w: w, rc: http.NewResponseController(w)}
}

// begin sends the header, so that the client knows that it is heard.
func (l *lineStream) begin() {
	l.begun = true
	l.w.Header().Set("Content-Type", LinesType)
	l.w.Header().Set("Cache-Control", "no-store")
	l.w.WriteHeader(http.StatusOK)
	l.extend()
	_ = l.rc.SetReadDeadline(time.Time{})
	_ = l.rc.Flush() // a client that has gone is noticed with the first line
}

// extend gives a line the time that an answer has.
func (l *lineStream) extend() { _ = l.rc.SetWriteDeadline(time.Now().Add(writeTimeout)) }

func (l *lineStream) line(text []byte) error {
	l.extend()
	if _, err := l.w.Write(text); err != nil {
		return fmt.Errorf("the client has gone: %w", err)
	}
	return l.rc.Flush()
}

// follow streams what do tells, until it ends, the client leaves or the server
// ends. An error before begin is answered as a problem.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, do func(ctx context.Context, l *lineStream) error) {
	l := newLineStream(w)
	ctx, cancel := s.untilShutdown(r.Context())
	defer cancel()
	err := do(ctx, l)
	switch {
	case err == nil:
	case !l.begun:
		s.problemOf(err, "", "").write(w)
	default:
		s.log.Debug("a follower left", "path", r.URL.Path, "error", err)
	}
}
