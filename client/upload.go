package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

type uploadKey struct{}

// WithUpload returns a context with which a request of a Client tells how much
// of its body it has sent, in bytes. sent is called by one goroutine at a time,
// while the request is under way, and must not block. It begins anew when the
// request has to be sent again over another connection.
func WithUpload(ctx context.Context, sent func(n, total int64)) context.Context {
	return context.WithValue(ctx, uploadKey{}, sent)
}

// followUpload has a request tell how much of its body was read to be sent.
func followUpload(ctx context.Context, req *http.Request, body []byte) {
	sent, _ := ctx.Value(uploadKey{}).(func(n, total int64))
	if sent == nil || len(body) == 0 {
		return
	}
	req.GetBody = func() (io.ReadCloser, error) {
		return &upload{body: bytes.NewReader(body), tell: sent, total: int64(len(body))}, nil
	}
	req.Body, _ = req.GetBody() // it has no error
}

// upload is a body that tells how much of it was read.
type upload struct {
	body  *bytes.Reader
	tell  func(n, total int64)
	total int64
}

// chunk is how much is sent between two tellings, so that they come evenly.
const chunk = 32 << 10

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.body.Read(p[:min(len(p), chunk)])
	u.tell(u.total-int64(u.body.Len()), u.total)
	return n, err
}

func (u *upload) Close() error { return nil }
