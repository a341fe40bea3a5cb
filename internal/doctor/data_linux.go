package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// leastFree is how little room in the data directory is worth a word.
const leastFree = 1 << 30

// fileSystems that a data directory should not be on, by the kernel's numbers.
var fileSystems = map[int64]struct{ name, advice string }{
	unix.TMPFS_MAGIC:           {"tmpfs", "it is lost with the next start of the machine"},
	unix.NFS_SUPER_MAGIC:       {"NFS", "locks and synchronous writes may not hold: use a local disk"},
	unix.SMB_SUPER_MAGIC:       {"SMB", "locks and synchronous writes may not hold: use a local disk"},
	unix.CIFS_SUPER_MAGIC:      {"SMB", "locks and synchronous writes may not hold: use a local disk"},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlay", "it is lost with the container: mount a volume"},
}

// Data looks at a data directory, and changes nothing. One that is not there yet
// is judged by the directory in which it would be made. unfit means that a
// supervisor could not use it.
func Data(dir string) (facts []Fact, unfit bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return []Fact{{Name: "data directory", Value: dir, Advice: err.Error()}}, true
	}
	at := Fact{Name: "data directory", Value: abs}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		at.Value += " (not there yet)"
		above := abs
		for errors.Is(err, fs.ErrNotExist) && above != "/" {
			above = filepath.Dir(above)
			info, err = os.Stat(above)
		}
		abs = above
	case err == nil:
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
			at.Advice = fmt.Sprintf("it belongs to user %d: run the supervisor as that user, or chown it", owner.Uid)
		} else if info.Mode().Perm()&0o077 != 0 {
			at.Advice = fmt.Sprintf("others may look into it (mode %04o): chmod 700", info.Mode().Perm())
		}
	}
	switch {
	case err != nil:
		at.Advice, unfit = err.Error(), true
	case !info.IsDir():
		at.Advice, unfit = abs+" is no directory", true
	case unix.Access(abs, unix.W_OK|unix.X_OK) != nil:
		at.Advice, unfit = "this user cannot write to "+abs, true
	}
	facts = append(facts, at)
	var s unix.Statfs_t
	if unfit || unix.Statfs(abs, &s) != nil {
		return facts, unfit
	}
	free := s.Bavail * uint64(s.Bsize)
	room := Fact{Name: "room for data", Value: fmt.Sprintf("%s, %d files", bytes(free), s.Ffree)}
	if free < leastFree {
		room.Advice = "little is left: free some, or name another directory with --data"
	}
	if s.Files == 0 {
		room.Value = bytes(free) // the file system does not count files
	} else if s.Ffree < 10000 {
		room.Advice = "few files are left: free some, or name another directory with --data"
	}
	facts = append(facts, room)
	if f, ok := fileSystems[int64(s.Type)]; ok {
		facts = append(facts, Fact{Name: "its file system", Value: f.name, Advice: f.advice})
	}
	return facts, unfit
}
