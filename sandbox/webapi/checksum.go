package webapi

import (
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
