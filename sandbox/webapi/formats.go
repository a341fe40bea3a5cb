package webapi

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// checksum is what a compression format keeps of the data: CRC-32 or Adler-32,
// and how long it is, modulo 2^32. It can be put aside between calls.
type checksum struct {
	Sum, Size uint32
}

func newChecksum(format string) checksum {
	if format == "deflate" {
		return checksum{Sum: 1}
	}
	return checksum{}
}

func (c *checksum) add(format string, data []byte) {
	c.Size += uint32(len(data))
	switch format {
	case "gzip":
		c.Sum = crc32.Update(c.Sum, crc32.IEEETable, data)
	case "deflate":
		c.Sum = adler32(c.Sum, data)
	}
}

// trailer is what the format has behind the data.
func (c *checksum) trailer(format string) []byte {
	switch format {
	case "gzip":
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, c.Sum), c.Size)
	case "deflate":
		return binary.BigEndian.AppendUint32(nil, c.Sum)
	}
	return nil
}

// adler32 goes on from a sum, which hash/adler32 does not.
func adler32(sum uint32, data []byte) uint32 {
	const modulus, most = 65521, 5552 // bytes before a sum may overflow
	a, b := sum&0xffff, sum>>16
	for len(data) > 0 {
		n := min(len(data), most)
		for _, c := range data[:n] {
			a += uint32(c)
			b += a
		}
		a, b, data = a%modulus, b%modulus, data[n:]
	}
	return b<<16 | a
}

// header reads what the format has before the blocks.
func (f *inflater) header() error {
	switch f.format {
	case "deflate":
		b, err := f.r.bytes(2)
		if err != nil {
			return err
		}
		if b[0]&15 != 8 || b[0]>>4 > 7 || b[1]&0x20 != 0 || binary.BigEndian.Uint16(b)%31 != 0 {
			return errCorrupt
		}
	case "gzip":
		return f.gzipHeader()
	}
	return nil
}

func (f *inflater) gzipHeader() error {
	begin := f.r.rest()
	b, err := f.r.bytes(10)
	if err != nil {
		if !bytes.HasPrefix([]byte{0x1f, 0x8b, 8}, begin[:min(len(begin), 3)]) {
			return errCorrupt
		}
		return err
	}
	const hasCRC, hasExtra, hasName, hasComment = 2, 4, 8, 16
	flags := b[3]
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || flags >= 32 {
		return errCorrupt
	}
	if flags&hasExtra != 0 {
		n, err := f.r.bytes(2)
		if err == nil {
			_, err = f.r.bytes(int(binary.LittleEndian.Uint16(n)))
		}
		if err != nil {
			return err
		}
	}
	for _, flag := range []byte{hasName, hasComment} {
		if flags&flag == 0 {
			continue
		}
		end := bytes.IndexByte(f.r.rest(), 0)
		if end < 0 {
			return errMore
		}
		if _, err := f.r.bytes(end + 1); err != nil {
			return err
		}
	}
	if flags&hasCRC != 0 {
		sum := crc32.ChecksumIEEE(begin[:len(begin)-len(f.r.rest())])
		n, err := f.r.bytes(2)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(n) != uint16(sum) {
			return errCorrupt
		}
	}
	return nil
}

func (f *inflater) trailer() error {
	want := f.Check.trailer(f.format)
	got, err := f.r.bytes(len(want))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errCorrupt
	}
	f.Phase = phaseEnd
	return nil
}
