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
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
)

var (
	// ErrNotEmpty means that there is something where a backup is to be
	// restored to.
	ErrNotEmpty = errors.New("it is not empty")
	// ErrDamaged means that a file is no backup, or not the one that was made.
	ErrDamaged = errors.New("the backup is damaged")
)

// maxManifest bounds the list of files.
const maxManifest = 64 << 20

// Restore makes a data directory of a backup. The directory must be empty or
// missing, and is there only if the backup is whole. The errors are ErrNotEmpty
// and ErrDamaged, which names what is wrong, or the system's own.
func Restore(ctx context.Context, file, dir string) (m Manifest, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return m, fmt.Errorf("%s: %w; restore to a new directory", dir, ErrNotEmpty)
	}
	f, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		return m, fmt.Errorf("%s: %w: %w", file, ErrDamaged, err)
	}
	defer z.Close()
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return m, err
	}
	stage, err := os.MkdirTemp(filepath.Dir(dir), ".restore-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	if m, err = unpack(ctx, z, stage); err != nil {
		return m, fmt.Errorf("%s: %w", file, err)
	}
	_ = os.Remove(dir) // it is empty, or missing
	return m, os.Rename(stage, dir)
}

// unpack writes the files of an archive below dir and compares them with its
// list.
func unpack(ctx context.Context, r io.Reader, dir string) (m Manifest, err error) {
	root, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		return m, err
	}
	defer root.Close()
	var found []File
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		switch {
		case ctx.Err() != nil:
			return m, ctx.Err()
		case err != nil: // the end too: the list has to come before
			return m, fmt.Errorf("%w: it ends early: %w", ErrDamaged, err)
		case header.Typeflag != tar.TypeReg || !filepath.IsLocal(header.Name):
			return m, fmt.Errorf("%w: it has an entry %q", ErrDamaged, header.Name)
		case header.Name == manifestName:
			return m, readManifest(archive, &m, found)
		}
		entry, err := writeFile(root, archive, header.Name)
		if err != nil {
			return m, err
		}
		found = append(found, entry)
	}
}

func readManifest(archive *tar.Reader, m *Manifest, found []File) error {
	if err := json.NewDecoder(io.LimitReader(archive, maxManifest)).Decode(m); err != nil {
		return fmt.Errorf("%w: its list: %w", ErrDamaged, err)
	}
	if m.Format > format {
		return fmt.Errorf("its format is %d, this version reads up to %d (upgrade)", m.Format, format)
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more follows after its list", ErrDamaged)
	}
	if len(found) != len(m.Files) {
		return fmt.Errorf("%w: it has %d files, its list %d", ErrDamaged, len(found), len(m.Files))
	}
	for i, want := range m.Files {
		if found[i] != want {
			return fmt.Errorf("%w: %s is not what was written", ErrDamaged, want.Name)
		}
	}
	if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Name == "registry/format" }) {
		return fmt.Errorf("%w: it has no registry", ErrDamaged)
	}
	return nil
}

func writeFile(root *os.Root, r io.Reader, name string) (File, error) {
	path := filepath.FromSlash(name)
	if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return File{}, err
	}
	f, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), r)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return File{}, err
	}
	return File{Name: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}
