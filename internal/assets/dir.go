package assets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// ReadDir reads the files of a folder and of the folders in it. Those whose
// names begin with a dot are left out, but for .well-known. A link is followed
// only to a file within dir. The error's outcome is Invalid: it names each
// file that cannot be taken, with the limit.
func ReadDir(dir string) (map[string][]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, refused(dir, []outcome.Problem{{Field: "assets", Reason: "it cannot be read as a folder: " + cause(err)}}, err)
	}
	defer root.Close()
	files := map[string][]byte{}
	var problems []outcome.Problem
	wrong := func(name, format string, args ...any) {
		if len(problems) < maxProblems {
			problems = append(problems, outcome.Problem{Field: "assets", Reason: fmt.Sprintf("%.100q ", name) + fmt.Sprintf(format, args...)})
		}
	}
	total := 0
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			wrong(name, "cannot be read: %s", cause(err))
			return nil
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), ".") && d.Name() != ".well-known":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		data, reason := readFile(root, name)
		if reason != "" {
			wrong(name, "%s", reason)
			return nil
		}
		files[name] = data
		if total += len(data); total > MaxTotal || len(files) > MaxFiles {
			return fs.SkipAll // Check tells
		}
		return nil
	})
	if err != nil {
		return nil, refused(dir, []outcome.Problem{{Field: "assets", Reason: cause(err)}}, err)
	}
	if problems = append(problems, Check(files, MaxTotal)...); len(problems) > 0 {
		return nil, refused(dir, problems, nil)
	}
	return files, nil
}

// readFile reads one file, or says why not.
func readFile(root *os.Root, name string) (data []byte, reason string) {
	info, err := root.Stat(name) // before Open, which waits for the other end of a pipe
	if err != nil {
		return nil, "cannot be read: " + cause(err)
	}
	if !info.Mode().IsRegular() {
		return nil, "is no file; put the files themselves into the folder, not links to folders, or devices"
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, "cannot be read: " + cause(err)
	}
	defer f.Close()
	if data, err = io.ReadAll(io.LimitReader(f, MaxFile+1)); err != nil {
		return nil, "cannot be read: " + cause(err)
	}
	return data, ""
}

func refused(dir string, problems []outcome.Problem, err error) error {
	return &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("the assets in %s cannot be taken", dir), Problems: problems, Err: err}
}

// cause is an error without the path, which is told anyway.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
