package snapshots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A file's footer: the format's name, the lengths of the memory and of the
// description before it, and a checksum of all that comes before itself and of
// the file's own name: one that was moved is not what its new name says.
const (
	magic      = "BHSNAP01"
	footerSize = len(magic) + 8 + 4 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum begins a file's checksum.
func (k Key) sum() uint32 { return crc32.Checksum([]byte(k.Tenant+"/"+k.name()), castagnoli) }

// appendFooter appends to b, whose bytes are checked too, what ends a file.
func appendFooter(b []byte, memory int64, description int, sum uint32) []byte {
	at := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(memory))
	b = binary.LittleEndian.AppendUint32(b, uint32(description))
	return binary.LittleEndian.AppendUint32(b, crc32.Update(sum, castagnoli, b[at:]))
}

// identity tells a file from any other, and from itself after a change.
type identity struct {
	device, inode    uint64
	size             int64
	changed, written unix.Timespec
}

func identify(f *os.File) (identity, error) {
	info, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, errors.New("the system does not tell one file from another")
	}
	return identity{uint64(stat.Dev), stat.Ino, stat.Size, unix.Timespec(stat.Ctim), unix.Timespec(stat.Mtim)}, nil
}

// read returns the description in the file of k, of this size. It verifies the
// checksum of all the file if it is told to.
func read(f *os.File, k Key, size int64, verify bool) (description []byte, err error) {
	if size < int64(footerSize) {
		return nil, errors.New("it is cut short")
	}
	footer := make([]byte, footerSize)
	if _, err := f.ReadAt(footer, size-int64(footerSize)); err != nil {
		return nil, err
	}
	if string(footer[:len(magic)]) != magic {
		return nil, errors.New("it does not end as a snapshot does")
	}
	memory := binary.LittleEndian.Uint64(footer[len(magic):])
	length := binary.LittleEndian.Uint32(footer[len(magic)+8:])
	if length > maxDescription || memory != uint64(size)-uint64(footerSize)-uint64(length) {
		return nil, fmt.Errorf("its lengths do not add up to its %d bytes", size)
	}
	description = make([]byte, length)
	if _, err := f.ReadAt(description, int64(memory)); err != nil {
		return nil, err
	}
	if !verify {
		return description, nil
	}
	sum := k.sum()
	buf := make([]byte, 256<<10)
	for body := io.NewSectionReader(f, 0, int64(memory)); ; {
		n, err := body.Read(buf)
		sum = crc32.Update(sum, castagnoli, buf[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	sum = crc32.Update(sum, castagnoli, description)
	sum = crc32.Update(sum, castagnoli, footer[:footerSize-4])
	if sum != binary.LittleEndian.Uint32(footer[footerSize-4:]) {
		return nil, errors.New("its checksum is wrong")
	}
	return description, nil
}
