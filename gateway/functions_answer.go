package gateway

import (
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

// hopByHop are the headers that are of a connection, not of a message.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// dropHops takes them off, with those that Connection names.
func dropHops(h http.Header) {
	for _, field := range h["Connection"] {
		for name := range strings.SplitSeq(field, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// ours are the headers that a function cannot set, and whole those that speak for
// all of a host, on one that it shares with others.
var (
	ours  = []string{"Date", "Alt-Svc", "Ratelimit", "Ratelimit-Policy"}
	whole = []string{"Clear-Site-Data", "Service-Worker-Allowed", "Strict-Transport-Security", "Public-Key-Pins"}
)

// send sends what the function answers. What fails after the head is cut off, so
// that nobody takes it for whole.
func (f *functions) send(w http.ResponseWriter, r *http.Request, at place, answer *supervisor.HTTPResponse) {
	h := w.Header()
	f.head(h, at, answer)
	bodiless := r.Method == http.MethodHead || answer.Status == http.StatusNoContent || answer.Status == http.StatusNotModified
	if answer.Size >= 0 && !bodiless && answer.Header.Get("Content-Length") != strconv.FormatInt(answer.Size, 10) {
		h.Set("Content-Length", strconv.FormatInt(answer.Size, 10))
	}
	if answer.Status == http.StatusNoContent {
		h.Del("Content-Length")
	}
	out := &paced{w: w, rc: http.NewResponseController(w), pace: pace{first: writeTimeout}}
	if answer.Size >= 0 && answer.Size < smallest { // it is sent with its head, when this has returned
		out.begin()
		w.WriteHeader(answer.Status)
		if !bodiless {
			if _, err := io.Copy(w, answer.Body); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		return
	}
	defer out.done()
	compressed := !bodiless && !f.options.NoCompression && compressible(r, h, answer)
	if compressed {
		h.Del("Content-Length")
		h.Set("Content-Encoding", "gzip")
		if tag := h.Get("Etag"); strings.HasPrefix(tag, `"`) {
			h.Set("Etag", "W/"+tag) // the bytes are others
		}
	}
	out.begin()
	w.WriteHeader(answer.Status)
	if bodiless {
		if r.Method == http.MethodHead && answer.Size < 0 {
			_ = out.flush()
		}
		return
	}
	var err error
	switch {
	case compressed:
		err = out.compress(answer)
	case answer.Size >= 0:
		_, err = io.Copy(out, answer.Body)
	default:
		err = out.stream(answer.Body)
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// head sets the answer's headers: the function's, beside those that are there,
// and ours.
func (f *functions) head(h http.Header, at place, answer *supervisor.HTTPResponse) {
	theirs := answer.Header
	dropHops(theirs)
	for name, values := range theirs {
		switch {
		case slices.Contains(ours, name), strings.HasPrefix(name, "Bulkhead-"),
			at.prefix != "" && slices.Contains(whole, name),
			strings.HasPrefix(name, "Access-Control-") && f.corsOf(at.FunctionName) != nil,
			name == "Content-Length" && !isLength(values):
		case name == "Vary":
			h["Vary"] = append(h["Vary"], values...)
		default:
			h[name] = values
		}
	}
	if _, typed := h["Content-Type"]; !typed {
		h["Content-Type"] = nil // nobody guesses
	}
	h.Set(invocationHeader, answer.Invocation)
	h.Set(versionHeader, answer.Version)
	if result := answer.Result; result != nil {
		h.Set(receiptHeader, shortReceipt(&result.Receipt))
	}
}

func isLength(values []string) bool {
	n, err := strconv.ParseInt(values[0], 10, 64)
	return len(values) == 1 && err == nil && n >= 0 && strconv.FormatInt(n, 10) == values[0]
}

// smallest is the size from which compressing pays.
const smallest = 1024

// compressible decides whether an answer is compressed for its client. An event
// stream is not: each event is to go out as it is.
func compressible(r *http.Request, h http.Header, answer *supervisor.HTTPResponse) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || kind == "text/event-stream" || !gzhttp.DefaultContentTypeFilter(kind) ||
		strings.HasPrefix(kind, "image/") && kind != "image/svg+xml" ||
		answer.Status == http.StatusPartialContent ||
		h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" || strings.Contains(strings.ToLower(h.Get("Cache-Control")), "no-transform") {
		return false
	}
	h.Add("Vary", "Accept-Encoding")
	return takesGzip(r)
}

// paced writes an answer, to a client that takes it no slower than slowest.
type paced struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	pace
}

func (p *paced) Write(b []byte) (int, error) {
	began := p.begin()
	n, err := p.w.Write(b)
	p.count(began, n)
	return n, err
}

// begin sets the deadline of what is written next. A writer that has none is a
// test's.
func (p *paced) begin() time.Time {
	now := time.Now()
	_ = p.rc.SetWriteDeadline(now.Add(p.left()))
	return now
}

func (p *paced) flush() error {
	began := p.begin()
	err := p.rc.Flush()
	p.count(began, 0)
	_ = p.rc.SetWriteDeadline(time.Time{}) // the next piece may be long in coming
	return err
}

// done leaves what is still buffered its time.
func (p *paced) done() { p.begin() }

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// stream sends the head, and then each piece as it comes.
func (p *paced) stream(body io.Reader) error { return p.pieces(p, p.flush, body) }

func (p *paced) pieces(out io.Writer, flush func() error, body io.Reader) error {
	if err := p.flush(); err != nil {
		return err
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := body.Read(buf[:])
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			if err := flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var gzips = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is one
	return w
}}

func (p *paced) compress(answer *supervisor.HTTPResponse) error {
	w := gzips.Get().(*gzip.Writer)
	defer gzips.Put(w)
	w.Reset(p)
	var err error
	if answer.Size >= 0 {
		_, err = io.Copy(w, answer.Body)
	} else {
		err = p.pieces(w, func() error {
			if err := w.Flush(); err != nil {
				return err
			}
			return p.flush()
		}, answer.Body)
	}
	if err != nil {
		return err
	}
	return w.Close()
}
