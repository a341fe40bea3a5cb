package fetch

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/bulkhead-run/bulkhead/platform"
)

// maxHeldBody is the largest request body that is held in memory, so that it can
// be sent again after a redirect.
const maxHeldBody = 1 << 20

// requestBody is what a request carries: nothing, bytes, or a stream.
type requestBody struct {
	has    bool
	held   []byte
	number *uint32 // of the stream that JavaScript writes
	size   int64   // of the stream; -1 when it is not known
	stream io.ReadCloser
}

func (b *requestBody) parseBody(init *requestInit, method string, header http.Header) error {
	given := 0
	for _, is := range []bool{init.Body != nil, init.BodyBase64 != nil, init.BodyStream != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return platform.TypeErrorf("give one of body, bodyBase64 and bodyStream")
	case given == 0:
		return nil
	case method == http.MethodGet || method == http.MethodHead:
		return platform.TypeErrorf("a %s request has no body", method)
	}
	b.has = true
	switch {
	case init.Body != nil:
		b.held = []byte(*init.Body)
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "text/plain;charset=UTF-8")
		}
	case init.BodyBase64 != nil:
		var err error
		if b.held, err = base64.StdEncoding.DecodeString(*init.BodyBase64); err != nil {
			return platform.TypeErrorf("bodyBase64 is not base64")
		}
	default:
		b.number, b.size = init.BodyStream, -1
		if init.BodySize != nil && *init.BodySize >= 0 {
			b.size = *init.BodySize
		}
	}
	if len(b.held) > maxHeldBody {
		return platform.TypeErrorf("the request's body is over %d MiB; give it as a stream", maxHeldBody>>20)
	}
	return nil
}

// openBody takes the stream, if there is one, and reads a small one whole.
func (b *requestBody) openBody(x *exchange) error {
	if b.number == nil {
		return nil
	}
	stream, err := x.call.Streams.Receive(platform.StreamID(*b.number))
	if err != nil {
		return err
	}
	most := x.f.o.MaxBody
	if b.size > most {
		stream.Close()
		return bodyTooLarge(most)
	}
	if b.size < 0 || b.size > maxHeldBody {
		b.stream = &uploaded{ReadCloser: stream, most: most, left: most}
		return nil
	}
	defer stream.Close()
	b.held = make([]byte, b.size)
	if _, err := io.ReadFull(stream, b.held); err != nil {
		return failure(x.ctx, err)
	}
	return nil
}

// closeBody tells JavaScript that no more is taken, unless the connection still
// takes it: then that closes the stream.
func (b *requestBody) closeBody() {
	if s, ok := b.stream.(*uploaded); ok && !s.given {
		s.Close()
	}
}

func (b *requestBody) dropBody() { *b = requestBody{} }

// setBody gives r the body. A stream can be given once.
func (b *requestBody) setBody(r *http.Request) {
	switch {
	case !b.has:
	case b.stream != nil:
		b.stream.(*uploaded).given = true
		r.Body, r.ContentLength = b.stream, b.size
	case len(b.held) == 0:
		r.Body = http.NoBody
	default:
		held := b.held
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(held)), nil }
		r.Body, _ = r.GetBody()
		r.ContentLength = int64(len(held))
	}
}

func bodyTooLarge(most int64) error {
	return platform.TypeErrorf("fetch failed: the request's body is over %d bytes", most)
}

// uploaded is what JavaScript writes, up to a limit.
type uploaded struct {
	io.ReadCloser
	most, left int64
	given      bool // to the connection, which closes it
}

func (u *uploaded) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, bodyTooLarge(u.most)
	}
	return n, err
}
