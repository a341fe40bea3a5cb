package quickjs

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memoryFile is memory that many instances map. What this process makes is a
// file without a name, sealed once it is written, so that nobody can change it
// any more.
type memoryFile struct {
	fd   int
	data []byte // all of it, read-only
}

// newMemoryFile makes a file of the given parts, one behind the other. All but
// the last must be whole grains.
func newMemoryFile(name string, parts ...[]byte) (*memoryFile, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("quickjs: a memory file: %w", err)
	}
	f := &memoryFile{fd: fd}
	if err := f.fill(parts); err != nil {
		return nil, errors.Join(fmt.Errorf("quickjs: the memory file %s: %w", name, err), f.close())
	}
	return f, nil
}

// openMemoryFile takes over a file that somebody else has made, and that nobody
// changes any more. Its first size bytes are the memory.
func openMemoryFile(fd int, size int64) (*memoryFile, error) {
	f := &memoryFile{fd: fd}
	var stat unix.Stat_t
	err := unix.Fstat(fd, &stat)
	switch {
	case err != nil:
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("it is not a file")
	case stat.Size < size:
		err = fmt.Errorf("it has %d bytes of %d", stat.Size, size)
	default:
		f.data, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("quickjs: opening a memory file: %w", err), f.close())
	}
	return f, nil
}

func closeFD(fd int) error { return unix.Close(fd) }

func (f *memoryFile) fill(parts [][]byte) error {
	var size int64
	for _, p := range parts {
		for len(p) > 0 {
			n, err := unix.Pwrite(f.fd, p, size)
			if err != nil {
				return err
			}
			size += int64(n)
			p = p[n:]
		}
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	if size == 0 {
		return nil
	}
	var err error
	f.data, err = unix.Mmap(f.fd, 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

// share maps part of the file over linear memory, for reading only.
func (f *memoryFile) share(m *linearMemory, at, end uint32, offset int64) error {
	return f.mapOver(m, at, end, offset, unix.PROT_READ, unix.MAP_SHARED)
}

// copyOnWrite maps part of the file over linear memory: its pages are the
// file's until they are written, and the instance's own from then on.
func (f *memoryFile) copyOnWrite(m *linearMemory, at, end uint32, offset int64) error {
	return f.mapOver(m, at, end, offset, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
}

func (f *memoryFile) mapOver(m *linearMemory, at, end uint32, offset int64, prot, flags int) error {
	place := m.reserved[at:end]
	_, err := unix.MmapPtr(f.fd, offset, unsafe.Pointer(&place[0]), uintptr(len(place)), prot, flags|unix.MAP_FIXED|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("quickjs: mapping a memory file: %w", err)
	}
	return nil
}

// close gives the file back. What instances have mapped of it stays.
func (f *memoryFile) close() error {
	var err error
	if f.data != nil {
		err = unix.Munmap(f.data)
		f.data = nil
	}
	return errors.Join(err, unix.Close(f.fd))
}
