package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// stream is a connection that gives what is in it.
type stream struct {
	net.Conn
	io.Reader
	io.Writer
}

func (s stream) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s stream) Write(p []byte) (int, error) { return s.Writer.Write(p) }

func TestRoundTrip(t *testing.T) {
	id := int64(-1)
	for _, message := range []any{
		&wire.Request{Number: 1, Op: wire.Run, SQL: "é", Params: []wire.Param{{Value: int64(-9007199254740993)}, {Name: "a", Value: nil}, {Value: []byte{}}, {Value: 0.5}}},
		&wire.Response{Number: 1 << 60, Result: &wire.Result{Columns: []string{"a"}, Rows: [][]any{{nil}, {"x"}, {int64(1 << 62)}, {[]byte{1}}, {1.0}}, LastInsertRowID: &id}},
		&wire.Response{Failure: &wire.Failure{Code: "io", Message: "m"}, Open: true},
	} {
		var buf bytes.Buffer
		if err := wire.NewConn(stream{Writer: &buf}, 0).Write(message); err != nil {
			t.Fatal(err)
		}
		got := reflect.New(reflect.TypeOf(message).Elem()).Interface()
		if err := wire.NewConn(stream{Reader: &buf}, wire.MaxRequest).Read(got); err != nil || !reflect.DeepEqual(got, message) {
			t.Errorf("%+v came back as %+v, %v", message, got, err)
		}
	}
}

func TestBounds(t *testing.T) {
	for name, c := range map[string]struct {
		data      []byte
		malformed bool
	}{
		"empty":        {nil, false},
		"no length":    {[]byte{0, 0}, false},
		"length 0":     {[]byte{0, 0, 0, 0}, true},
		"too long":     {binary.BigEndian.AppendUint32(nil, 101), true},
		"cut":          {[]byte{0, 0, 0, 5, 1}, false},
		"not a map":    {[]byte{0, 0, 0, 1, 1}, true},
		"unknown key":  {[]byte{0, 0, 0, 4, 0xa1, 0x18, 0x63, 1}, true},
		"key twice":    {[]byte{0, 0, 0, 5, 0xa2, 1, 1, 1, 1}, true},
		"trailing":     {[]byte{0, 0, 0, 4, 0xa1, 1, 1, 0}, true},
		"a tag":        {[]byte{0, 0, 0, 4, 0xa1, 1, 0xc1, 1}, true},
		"endless list": {[]byte{0, 0, 0, 3, 0xa1, 4, 0x9f}, true},
		"vast list":    {[]byte{0, 0, 0, 8, 0xa1, 4, 0x9a, 0xff, 0xff, 0xff, 0xff, 0}, true},
	} {
		err := wire.NewConn(stream{Reader: bytes.NewReader(c.data)}, 100).Read(&wire.Request{})
		if err == nil || errors.Is(err, wire.ErrMalformed) != c.malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a process sends, the supervisor either takes as an answer within
// its bounds or refuses.
func FuzzResponse(f *testing.F) {
	for _, r := range []*wire.Response{
		{Number: 1, Facts: &wire.Facts{Kinds: []string{"select"}, Tables: []string{"t"}}},
		{Number: 1, Result: &wire.Result{Columns: []string{"a", "b"}, Rows: [][]any{{int64(1), "x"}}}},
		{Number: 1, Failure: &wire.Failure{Code: "io", Message: "m"}},
	} {
		var buf bytes.Buffer
		if err := wire.NewConn(stream{Writer: &buf}, 0).Write(r); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes(), uint8(wire.Run))
	}
	config := &wire.Config{MaxRows: 10, MaxResult: 1000}
	f.Fuzz(func(t *testing.T, data []byte, op uint8) {
		r := &wire.Response{}
		if err := wire.NewConn(stream{Reader: bytes.NewReader(data)}, config.MaxResponse()).Read(r); err != nil {
			return
		}
		if r.Check(config, wire.Op(op), 1) != nil || r.Result == nil {
			return
		}
		size := 0
		for _, row := range r.Result.Rows {
			size += wire.Size(r.Result.Columns, row)
		}
		if len(r.Result.Rows) > config.MaxRows || size > config.MaxResult {
			t.Errorf("%d rows of %d bytes were taken", len(r.Result.Rows), size)
		}
	})
}
