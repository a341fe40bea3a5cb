package fetch

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
)

// acceptEncoding is what decoded takes.
const acceptEncoding = "gzip, deflate"

// body is a response's body: decompressed, limited, and never waited for too
// long. Its end, and Close, end the exchange.
type body struct {
	x       *exchange
	raw     io.ReadCloser
	decoded io.Reader
	limit   int64
	left    int64
	ended   error // what Read returned at last
}

func newBody(x *exchange, resp *http.Response, limit int64) (*body, error) {
	b := &body{x: x, raw: resp.Body, decoded: resp.Body, limit: limit, left: limit}
	if resp.Body == http.NoBody || resp.ContentLength == 0 {
		return b, nil
	}
	switch strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))) {
	case "gzip", "x-gzip":
		b.decoded = &decoder{raw: resp.Body, open: func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }}
	case "deflate":
		b.decoded = &decoder{raw: resp.Body, open: openDeflate}
	default:
		if resp.ContentLength > limit {
			return nil, b.tooLarge()
		}
		return b, nil
	}
	// They are of the body as it was sent.
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	return b, nil
}

func (b *body) tooLarge() error {
	return platform.TypeErrorf("fetch failed: the response's body is over %d bytes", b.limit)
}

func (b *body) Read(p []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more, to tell the end from the limit
	}
	idle := time.AfterFunc(b.x.f.bodyTimeout, func() { b.x.cancel(errIdle) })
	n, err := b.decoded.Read(p)
	idle.Stop()
	b.left -= int64(n)
	switch {
	case b.left < 0:
		n, err = 0, b.tooLarge()
	case err == io.EOF:
		b.raw.Close()
		b.x.end(nil)
	case err != nil:
		err = failure(b.x.ctx, err)
	}
	if b.ended = err; err != nil && err != io.EOF {
		b.Close()
	}
	return n, err
}

// Close closes the connection, unless the body has been read to its end. It ends
// a Read that is under way.
func (b *body) Close() error {
	b.x.end(context.Canceled)
	return b.raw.Close()
}

// decoder decompresses. It begins with the first Read.
type decoder struct {
	raw  io.Reader
	open func(*bufio.Reader) (io.Reader, error)
	r    io.Reader
	err  error
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.r == nil && d.err == nil {
		raw := bufio.NewReader(d.raw)
		if _, d.err = raw.Peek(1); d.err == nil { // nothing at all is an empty body
			if d.r, d.err = d.open(raw); errors.Is(d.err, io.EOF) {
				d.err = io.ErrUnexpectedEOF
			}
		}
	}
	if d.err != nil {
		return 0, d.err
	}
	return d.r.Read(p)
}

// openDeflate takes what the standard says, zlib's format, and what some servers
// send, the bare data.
func openDeflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	if err == nil && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(r)
	}
	return flate.NewReader(r), nil
}
