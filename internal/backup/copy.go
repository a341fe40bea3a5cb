package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// copyTimeout bounds the copying or checking of one tenant's database: what is in
// it is the tenant's making.
const copyTimeout = 5 * time.Minute

// leftOut reports whether a path below the data directory is not part of a
// backup.
func leftOut(path string, dir bool) bool {
	name := filepath.Base(path)
	top, _, _ := strings.Cut(path, string(filepath.Separator))
	switch {
	case dir:
		return path == "cache" || path == "snapshots" || path == "audit" || path == "recordings"
	case name == "lock", strings.HasPrefix(name, ".probe-"), strings.HasPrefix(name, ".new-"), strings.HasSuffix(name, ".new"):
		return true
	case strings.HasSuffix(name, ".key"):
		return true
	case name == "index.db": // JetStream makes it anew of its blocks
		return top == "registry" || top == "streams"
	}
	return top == "db" && (strings.HasSuffix(name, "-wal") || strings.HasSuffix(name, "-shm") || strings.HasSuffix(name, "-journal"))
}

// copyTree copies a data directory. Files that vanish meanwhile are not part of
// it; damaged lists databases that could not be copied as such, and whose files
// were copied as they are.
func copyTree(ctx context.Context, from, to, database string) (damaged []string, err error) {
	// The journal first: what it lists is in the bucket, or replaced by what is
	// newer.
	journal := filepath.Join("registry", "journal")
	if err := copyFile(filepath.Join(from, journal), filepath.Join(to, journal)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, relErr := filepath.Rel(from, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || relErr != nil:
			return errors.Join(err, relErr)
		case rel == "." || rel == journal:
			return nil
		case leftOut(rel, e.IsDir()):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		target := filepath.Join(to, rel)
		if strings.HasPrefix(rel, "db"+string(filepath.Separator)) && e.Name() == "main.db" {
			copyErr := runDatabase(ctx, database, "copy", path, target)
			if copyErr == nil || ctx.Err() != nil {
				return copyErr
			}
			damaged = append(damaged, fmt.Sprintf("%s: %v", rel, copyErr))
			_ = os.Remove(target)
		}
		if err := copyFile(path, target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return damaged, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// runDatabase has the database program copy or check a file, in a process of its
// own: the supervisor's program does not read tenants' databases.
func runDatabase(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %.500s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Report is what was found in a data directory.
type Report struct {
	Tenants   int `json:"tenants"`
	Functions int `json:"functions"`
	Databases int `json:"databases"`
	// Restored says what was damaged and has been put right, Lost what cannot
	// be without a backup or a new deploy.
	Restored []string `json:"restored"`
	Lost     []string `json:"lost"`
}

// Check opens a data directory that nobody uses as a supervisor would, and reads
// all code and every database. It puts right what a start would; with repair it
// also accepts the loss of a journal. The errors are those of store.Open.
func Check(ctx context.Context, dir, database string, repair bool) (Report, error) {
	r := Report{Restored: []string{}, Lost: []string{}}
	if _, err := os.Stat(filepath.Join(dir, "registry")); err != nil {
		return r, fmt.Errorf("%s is no data directory: it has no registry: %w", dir, err)
	}
	if err := checkRegistry(ctx, &r, filepath.Join(dir, "registry"), repair); err != nil {
		return r, err
	}
	if streams := filepath.Join(dir, "streams"); exists(streams) {
		d, err := store.OpenData(store.Options{Dir: streams})
		if err != nil {
			return r, err
		}
		if err := d.Close(); err != nil {
			return r, err
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "db", "*", "main.db"))
	if err != nil {
		return r, err
	}
	for _, file := range files {
		r.Databases++
		if err := runDatabase(ctx, database, "check", file); err != nil {
			r.Lost = append(r.Lost, fmt.Sprintf("database %s: %v", file, err))
		}
	}
	return r, ctx.Err()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func checkRegistry(ctx context.Context, r *Report, dir string, repair bool) error {
	s, err := store.Open(ctx, store.Options{Dir: dir, Repair: repair})
	if err != nil {
		return err
	}
	defer s.Close()
	r.Restored = append(r.Restored, s.Restored()...)
	for _, d := range s.Damaged() {
		r.Lost = append(r.Lost, d.Error())
	}
	for _, t := range s.Tenants() {
		r.Tenants++
		functions, err := s.Functions(t.Name)
		if err != nil {
			return err
		}
		for _, f := range functions {
			r.Functions++
			for _, v := range f.Versions {
				for _, digest := range []string{v.Digest, v.SourceMap, v.Environment} {
					if digest == "" {
						continue
					}
					if _, err := s.Code(ctx, t.Name, digest); err != nil {
						r.Lost = append(r.Lost, fmt.Sprintf("function %s/%s, version %s: %v", t.Name, f.Function, v.Version, err))
					}
				}
			}
		}
	}
	return nil
}
