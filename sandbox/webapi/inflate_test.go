package webapi

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// step makes one call of deflate or inflate.
func step(name, format string, state, in []byte, last int) (next []byte, used int, out []byte, err error) {
	r, err := call(name, format, state, in, last)
	if err != nil {
		return nil, 0, nil, err
	}
	b := r.([]byte)
	n := binary.LittleEndian.Uint32(b)
	return b[8 : 8+n], int(binary.LittleEndian.Uint32(b[4:])), b[8+n:], nil
}

// inflated decompresses in, which comes in pieces of size bytes, and returns
// what is left of it.
func inflated(format string, in []byte, size int) (out, rest []byte, done bool, err error) {
	var state, pending []byte
	for len(in) > 0 || len(pending) > 0 {
		n := min(size, len(in))
		pending, in = append(pending, in[:n]...), in[n:]
		for {
			next, used, made, err := step("inflate", format, state, pending[:min(len(pending), maxPiece)], 0)
			if err != nil {
				return out, nil, false, err
			}
			state, pending, out = next, pending[used:], append(out, made...)
			if len(made) > maxInflated+maxInflated {
				return nil, nil, false, errors.New("a piece is too long")
			}
			if state[0] == phaseEnd {
				return out, append(pending, in...), true, nil
			}
			if used == 0 && len(made) == 0 {
				break
			}
		}
		if n == 0 {
			break
		}
	}
	return out, pending, false, nil
}

func deflated(format string, in []byte, size int) (out []byte, err error) {
	var state, made []byte
	for err == nil {
		n := min(size, len(in))
		last := 0
		if n == len(in) {
			last = 1
		}
		state, _, made, err = step("deflate", format, state, in[:n], last)
		if out, in = append(out, made...), in[n:]; last == 1 {
			break
		}
	}
	return out, err
}

func std(format string, in []byte) (out, rest []byte, err error) {
	r := bytes.NewReader(in)
	var z io.Reader
	switch format {
	case "gzip":
		g, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		g.Multistream(false)
		z = g
	case "deflate":
		if z, err = zlib.NewReader(r); err != nil {
			return nil, nil, err
		}
	default:
		z = flate.NewReader(r)
	}
	out, err = io.ReadAll(z)
	return out, in[len(in)-r.Len():], err
}

func samples() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for n := range noise {
		noise[n] = byte(random.Uint32())
	}
	words := strings.Fields("a tenant may not read slow down or crash another whatever it tries")
	var text []byte
	for len(text) < 300_000 {
		text = append(append(text, words[random.IntN(len(words))]...), ' ')
	}
	return map[string][]byte{
		"empty": {}, "a byte": {7}, "short": []byte("hello hello hello"), "zeros": make([]byte, 400_000), "noise": noise, "text": text,
		"both": append(append([]byte(nil), text[:70_000]...), noise[:70_000]...),
	}
}

func TestDeflateAndInflate(t *testing.T) {
	for name, data := range samples() {
		for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
			for _, size := range []int{1000, 65536, maxPiece} {
				small, err := deflated(format, data, size)
				if err != nil {
					t.Fatal(name, format, size, err)
				}
				if got, rest, err := std(format, small); err != nil || len(rest) > 0 || !bytes.Equal(got, data) {
					t.Errorf("%s as %s in pieces of %d: the library reads it otherwise: %v", name, format, size, err)
				}
				got, rest, done, err := inflated(format, small, size)
				if err != nil || !done || len(rest) > 0 || !bytes.Equal(got, data) {
					t.Errorf("%s as %s in pieces of %d: %v %v", name, format, size, done, err)
				}
			}
		}
	}
}

// Input is cut at every byte, in all kinds of blocks.
func TestInflateAnywhere(t *testing.T) {
	data := samples()["both"][65_000:75_000]
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.BestCompression} {
		var small bytes.Buffer
		w, _ := gzip.NewWriterLevel(&small, level)
		w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
		for n := 0; n < len(data); n += 999 {
			_, _ = w.Write(data[n:min(n+999, len(data))])
			_ = w.Flush()
		}
		_ = w.Close()
		for _, size := range []int{1, 7, 100} {
			got, rest, done, err := inflated("gzip", append(small.Bytes(), "rest"...), size)
			if err != nil || !done || string(rest) != "rest" || !bytes.Equal(got, data) {
				t.Errorf("level %d in pieces of %d: %v %v %q", level, size, done, err, rest)
			}
		}
		for n := 0; n < small.Len(); n += 89 {
			if _, _, done, err := inflated("gzip", small.Bytes()[:n], 5000); done || err != nil {
				t.Fatalf("level %d, cut at %d: %v %v", level, n, done, err)
			}
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		format string
		in     []byte
	}{
		"no gzip":            {"gzip", []byte("junk")},
		"a gzip flag":        {"gzip", []byte{0x1f, 0x8b, 8, 0x80, 0, 0, 0, 0, 0, 0, 0}},
		"an endless name":    {"gzip", append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0}, bytes.Repeat([]byte{'n'}, maxPiece)...)},
		"no zlib":            {"deflate", []byte("junk")},
		"a zlib dictionary":  {"deflate", []byte{0x78, 0xbb, 0, 0, 0, 0}},
		"a kind of block":    {"deflate-raw", []byte{7}},
		"a stored length":    {"deflate-raw", []byte{1, 1, 0, 1, 0}},
		"too far back":       {"deflate-raw", []byte{0x63, 0x00, 0x42, 0x00}},
		"a checksum":         {"gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0}},
		"over-subscribed":    {"deflate-raw", []byte{0x05, 0xe0, 0x93, 0x24, 0x49, 0x92, 0x24, 0x49, 0x92, 0x00}},
		"a checksum of zlib": {"deflate", []byte{0x78, 0x9c, 3, 0, 0, 0, 0, 2}},
	} {
		if _, _, done, err := inflated(c.format, c.in, maxPiece); err == nil || done {
			t.Errorf("%s: %v %v", name, done, err)
		}
	}
	if _, _, _, err := step("inflate", "gzip", bytes.Repeat([]byte{255}, 400), nil, 0); err == nil {
		t.Error("a wrong state is taken")
	}
}

// The standard library and inflate agree on everything, and neither a state nor
// an input that hostile code made up can do harm.
func FuzzInflate(f *testing.F) {
	for _, data := range samples() {
		small, _ := deflated("deflate-raw", data[:min(len(data), 2000)], 700)
		f.Add(small, []byte(nil), 3)
	}
	f.Add([]byte{0x63, 0x00, 0x42, 0x00}, []byte{3, 1, 0}, 1)
	f.Fuzz(func(t *testing.T, in, state []byte, size int) {
		_, _, _, _ = step("inflate", "gzip", state, in, 0)
		_, _, _, _ = step("deflate", "gzip", state, in, 0)
		want, rest, wantErr := std("deflate-raw", in)
		got, left, done, err := inflated("deflate-raw", in, max(size&1023, 1))
		if done != (wantErr == nil) {
			t.Fatalf("done %v %v, the library: %v", done, err, wantErr)
		}
		if done && (!bytes.Equal(got, want) || !bytes.Equal(left, rest)) {
			t.Fatalf("%d bytes and %d left, the library %d and %d", len(got), len(left), len(want), len(rest))
		}
		if !bytes.HasPrefix(got, want) && !bytes.HasPrefix(want, got) {
			t.Fatal("other bytes than the library's")
		}
	})
}

// BenchmarkInflateByte is the cost of a call.
func BenchmarkInflateByte(b *testing.B) {
	small, err := deflated("gzip", samples()["text"], maxPiece)
	if err != nil {
		b.Fatal(err)
	}
	state, used, _, err := step("inflate", "gzip", nil, small[:20000], 0)
	for b.Loop() && err == nil {
		_, _, _, err = step("inflate", "gzip", state, small[used:used+1], 0)
	}
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkInflate(b *testing.B) {
	data := samples()["text"]
	small, err := deflated("gzip", data, maxPiece)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, _, _, err := inflated("gzip", small, 65536); err != nil {
			b.Fatal(err)
		}
	}
}
