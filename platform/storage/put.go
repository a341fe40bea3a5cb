package storage

import (
	"bytes"
	"context"
	"io"
	"mime"
	"os"
	"regexp"
	"strings"

	"gocloud.dev/blob"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// chunk is how much of a body is in memory, and how much room is booked at
// once.
const chunk = 256 << 10

var metadataName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

type putOptions struct {
	ContentType string            `json:"contentType"`
	Metadata    map[string]string `json:"metadata"`
	Size        *int64            `json:"size"`
}

// upload is a call of storage.put.
type upload struct {
	key     string
	body    io.ReadCloser
	size    int64 // -1 when it is not known
	most    int64
	options putOptions
}

func (s *Storage) put(ctx context.Context, call *platform.Call) (any, error) {
	u, err := s.parsePut(call)
	if err != nil {
		return nil, err
	}
	if _, err := call.Check(policies.Attributes{Key: u.key, Size: u.most}); err != nil {
		return nil, err
	}
	if u.body == nil {
		if u.body, err = s.receive(call); err != nil {
			return nil, err
		}
	}
	defer u.body.Close()
	var o object
	err = s.with(ctx, call.Tenant, func(ctx context.Context, t *tenant) error {
		o, err = s.store(ctx, t, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o.describe(), nil
}

// parsePut checks the arguments. A stream is not opened yet: the body is nil.
func (s *Storage) parsePut(call *platform.Call) (u upload, err error) {
	if u.key, err = objectKey(call); err != nil {
		return u, err
	}
	if err := call.Options(2, "options", &u.options); err != nil {
		return u, err
	}
	args, err := call.Values()
	if err != nil {
		return u, platform.TypeErrorf("the arguments cannot be read: %w", err)
	}
	var body any = value.Undefined
	if len(args) > 1 {
		body = args[1]
	}
	usual := "application/octet-stream"
	var data []byte
	switch b := body.(type) {
	case string:
		data, usual = []byte(strings.ToValidUTF8(b, "\ufffd")), "text/plain; charset=utf-8"
	case []byte:
		data = b
	case value.ArrayBuffer:
		data = b
	case *value.TypedArray:
		data = b.Bytes
	case float64:
		if u.size, u.most = -1, s.o.MaxObject; u.options.Size != nil {
			u.size, u.most = *u.options.Size, *u.options.Size
		}
	default:
		return u, platform.TypeErrorf("argument 2 (body) must be a string, bytes, or the number of a stream")
	}
	if _, isStream := body.(float64); !isStream {
		if u.options.Size != nil {
			return u, platform.TypeErrorf("size is for a stream; this body has its own")
		}
		u.body, u.size, u.most = io.NopCloser(bytes.NewReader(data)), int64(len(data)), int64(len(data))
	}
	if u.most < 0 || u.most > s.o.MaxObject {
		return u, platform.TypeErrorf("argument 2 (body) has %d bytes; an object has at most %d", u.most, s.o.MaxObject)
	}
	if u.options.ContentType == "" {
		u.options.ContentType = usual
	}
	return u, u.options.check()
}

func (o *putOptions) check() error {
	if _, _, err := mime.ParseMediaType(o.ContentType); err != nil || len(o.ContentType) > maxContentType {
		return platform.TypeErrorf("contentType must be a media type of at most %d bytes, like text/html", maxContentType)
	}
	size := 0
	for name, text := range o.Metadata {
		if !metadataName.MatchString(name) {
			return platform.TypeErrorf("metadata: a name must be 1 to 64 of a-z, 0-9, - and _")
		}
		if size += len(name) + len(text); size > maxMetadata {
			return platform.TypeErrorf("metadata is over %d bytes", maxMetadata)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return platform.TypeErrorf("metadata: the value of %s holds control characters", name)
		}
	}
	return nil
}

// receive opens the stream whose number is the body.
func (s *Storage) receive(call *platform.Call) (io.ReadCloser, error) {
	var id platform.StreamID
	if _, err := call.Arg(1, "body", &id); err != nil || call.Streams == nil {
		return nil, platform.TypeErrorf("argument 2 (body) is not the number of a stream")
	}
	return call.Streams.Receive(id)
}

// store writes an object. It is there when store returns, whole, or not at all.
func (s *Storage) store(ctx context.Context, t *tenant, u upload) (o object, err error) {
	book, err := t.index.book(&s.o, u.key)
	if err != nil {
		return o, err
	}
	defer book.end()
	if u.size > 0 { // what is too large is refused before it is written
		if err := book.grow(u.size); err != nil {
			return o, err
		}
	}
	name := t.name + "/" + encodeKey(u.key)
	if err := s.folder.check(name); err != nil {
		return o, err
	}
	// A writer that is closed after its context has ended leaves nothing.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var file *os.File // in a folder
	done := s.folder.making()
	w, err := s.bucket.NewWriter(ctx, name, &blob.WriterOptions{
		ContentType: u.options.ContentType, Metadata: u.options.Metadata, BufferSize: 5 << 20, MaxConcurrency: 1,
		BeforeWrite: func(as func(any) bool) error {
			as(&file)
			return nil
		},
	})
	done()
	if err != nil {
		return o, err
	}
	size, err := s.copy(w, u, book)
	if err == nil && file != nil {
		err = file.Sync()
	}
	if err != nil {
		cancel()
		_ = w.Close()
		s.folder.prune(name)
		return o, err
	}
	lock := s.lock(t, u.key)
	lock.Lock()
	defer lock.Unlock()
	if err := w.Close(); err != nil {
		s.folder.prune(name)
		return o, err
	}
	o = object{u.key, size, s.folder.modified(name)}
	t.index.set(o)
	return o, s.folder.sync(name)
}

func (s *Storage) copy(w io.Writer, u upload, book *booking) (size int64, err error) {
	buffer := make([]byte, chunk)
	for {
		n, err := u.body.Read(buffer)
		if size += int64(n); size > u.most {
			if u.size >= 0 {
				return size, platform.TypeErrorf("the body has more than the %d bytes that it should have", u.size)
			}
			return size, platform.TypeErrorf("the body is over %d bytes, the most that an object may have", s.o.MaxObject)
		}
		if n > 0 && u.size < 0 {
			if err := book.grow(int64(n)); err != nil {
				return size, err
			}
		}
		if _, failed := w.Write(buffer[:n]); failed != nil {
			return size, failed
		}
		if err == io.EOF {
			if u.size >= 0 && size != u.size {
				return size, platform.TypeErrorf("the body has %d bytes; it should have %d", size, u.size)
			}
			return size, nil
		}
		if err != nil {
			return size, platform.Errorf("AbortError", "storage.put: the body was cut short: %w", err)
		}
	}
}
