package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// format is the number of the archive's layout.
const format = 1

// manifestName is the last entry of an archive.
const manifestName = "MANIFEST.json"

// maxTries is how often a copy is made anew because deploys came between.
const maxTries = 5

// Manifest lists what is in a backup.
type Manifest struct {
	Format  int       `json:"format"`
	Version string    `json:"version"` // of the program that made it
	Created time.Time `json:"created"`
	Report
	// Damaged lists databases that SQLite could not copy; their files are in
	// the backup as they were.
	Damaged []string `json:"damaged,omitempty"`
	Files   []File   `json:"files"`
}

// File is one entry.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Options say what to back up.
type Options struct {
	Data     string // the data directory
	Output   string // the file; it must not exist
	Database string // the database program
	Version  string
}

// Create writes a backup of a data directory, which a supervisor may be using.
// It takes the room of a second copy beside Output meanwhile. The file is there
// only if it is whole.
func Create(ctx context.Context, o Options) (_ Manifest, err error) {
	m := Manifest{Format: format, Version: o.Version, Created: time.Now().UTC()}
	if exists(o.Output) {
		return m, fmt.Errorf("%s: %w; name another file", o.Output, fs.ErrExist)
	}
	if !exists(filepath.Join(o.Data, "registry", "journal")) {
		return m, fmt.Errorf("%s is no data directory of this version: registry/journal is missing (start the supervisor on it once)", o.Data)
	}
	stage, err := os.MkdirTemp(filepath.Dir(o.Output), ".backup-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	for try := 1; ; try++ {
		copied := filepath.Join(stage, fmt.Sprint("copy", try))
		if m.Damaged, err = copyTree(ctx, o.Data, copied, o.Database); err != nil {
			return m, fmt.Errorf("copy %s: %w", o.Data, err)
		}
		if m.Report, err = Check(ctx, copied, o.Database, false); err == nil && len(m.Restored)+len(m.Lost) == len(m.Damaged) {
			return m, m.pack(ctx, copied, stage, o.Output)
		}
		if try == maxTries {
			break
		}
		_ = os.RemoveAll(copied)
	}
	if err == nil {
		// It was so each time: it is so.
		err = fmt.Errorf("%s", strings.Join(append(m.Restored, m.Lost...), "; "))
	}
	return m, fmt.Errorf("no whole copy of %s could be made, %d times: %w; look with `supervisor check` while no supervisor uses it", o.Data, maxTries, err)
}

// pack writes the archive.
func (m *Manifest) pack(ctx context.Context, dir, stage, output string) (err error) {
	f, err := os.OpenFile(filepath.Join(stage, "archive"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := zstd.NewWriter(f)
	if err != nil {
		return err
	}
	defer z.Close()
	archive := tar.NewWriter(z)
	m.Files = []File{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || leftOut(rel, false) {
			return err
		}
		entry, err := addFile(archive, path, filepath.ToSlash(rel))
		m.Files = append(m.Files, entry)
		return err
	})
	if err != nil {
		return err
	}
	list, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: manifestName, Mode: 0o600, Size: int64(len(list)), ModTime: m.Created}); err != nil {
		return err
	}
	if _, err := archive.Write(list); err != nil {
		return err
	}
	if err := errors.Join(archive.Close(), z.Close(), f.Sync()); err != nil {
		return err
	}
	// Not Rename: it would replace what has appeared meanwhile.
	return os.Link(f.Name(), output)
}

func addFile(archive *tar.Writer, path, name string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return File{}, err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(archive, sum), f); err != nil {
		return File{}, err
	}
	return File{Name: name, Size: info.Size(), SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}
