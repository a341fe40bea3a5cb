package fetch

import (
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net"

	"github.com/bulkhead-run/bulkhead/platform"
)

// errIdle is the end of an exchange whose server sends nothing for too long.
var errIdle = errors.New("the server sent nothing for too long")

// failure turns what went wrong on the network into what the tenant may know
// of it. The cause goes to the log.
func failure(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return &platform.Error{Name: "TypeError", Message: "fetch failed: " + errIdle.Error(), Err: err}
	}
	switch ctx.Err() {
	case context.DeadlineExceeded:
		return &platform.Error{Name: "TimeoutError", Message: "fetch failed: the invocation's deadline passed", Err: err}
	case context.Canceled:
		return &platform.Error{Name: "AbortError", Message: "fetch failed: the call was canceled", Err: err}
	}
	var known *platform.Error
	if errors.As(err, &known) {
		return known
	}
	message := "fetch failed: the response could not be read"
	var dial *dialError
	var timeout net.Error
	switch {
	case errors.As(err, &dial):
		message = "fetch failed: " + dial.public
	case isTLS(err):
		message = "fetch failed: the server's TLS certificate or handshake is not valid"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		message = "fetch failed: the server closed the connection early"
	case errors.As(err, &timeout) && timeout.Timeout():
		message = "fetch failed: the server did not answer in time"
	case isCompression(err):
		message = "fetch failed: the response's compression is not valid"
	}
	return &platform.Error{Name: "TypeError", Message: message, Err: err}
}

func isCompression(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary)
}
