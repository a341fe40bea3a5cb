package webapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
)

// maxInflated bounds what decompress returns. An instance's memory usually ends
// earlier.
const maxInflated = 32 << 20

// compress is compress(format, bytes).
func compress(a Args) (any, error) {
	var out bytes.Buffer
	var w io.WriteCloser
	switch a.Text(0) {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate":
		w = zlib.NewWriter(&out)
	case "deflate-raw":
		w, _ = flate.NewWriter(&out, flate.DefaultCompression)
	default:
		return nil, typeError("unsupported compression format %q", clip(a.Text(0)))
	}
	data := a.Bytes(1)
	const slice = 256 << 10
	for len(data) > 0 {
		if a.Expired() {
			return nil, ErrExpired
		}
		n := min(len(data), slice)
		if _, err := w.Write(data[:n]); err != nil {
			return nil, domError("OperationError", "compressing failed")
		}
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		return nil, domError("OperationError", "compressing failed")
	}
	return out.Bytes(), nil
}

// decompress is decompress(format, bytes). Bytes behind the end are an error.
func decompress(a Args) (any, error) {
	in := bytes.NewReader(a.Bytes(1))
	var r io.Reader
	var err error
	switch a.Text(0) {
	case "gzip":
		var z *gzip.Reader
		if z, err = gzip.NewReader(in); err == nil {
			z.Multistream(false)
			r = z
		}
	case "deflate":
		r, err = zlib.NewReader(in)
	case "deflate-raw":
		r = flate.NewReader(in)
	default:
		return nil, typeError("unsupported compression format %q", clip(a.Text(0)))
	}
	if err != nil {
		return nil, typeError("The compressed data is not valid: %v", err)
	}
	var out bytes.Buffer
	for {
		n, err := io.CopyN(&out, r, 256<<10)
		switch {
		case a.Expired():
			return nil, ErrExpired
		case out.Len() > maxInflated:
			return nil, rangeError("The decompressed data is over %d bytes", maxInflated)
		case errors.Is(err, io.EOF):
			if in.Len() > 0 {
				return nil, typeError("The compressed data goes on behind its end")
			}
			return out.Bytes(), nil
		case err != nil || n == 0:
			return nil, typeError("The compressed data is not valid: %v", err)
		}
	}
}
