// Package assets holds the static files of a function: what names and sizes
// they may have, the one form in which a version keeps them, and how they are
// found by the path of a request.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const (
	// MaxFiles is how many files a version may have.
	MaxFiles = 2000
	// MaxFile is the size of one, in bytes.
	MaxFile = 8 << 20
	// MaxTotal is what all of them take together, with their names, in bytes.
	MaxTotal = 16 << 20
	// MaxName is the length of a name, in bytes.
	MaxName = 512
)

// maxProblems bounds what is told to be wrong.
const maxProblems = 20

// smallest is the size from which compressing pays.
const smallest = 1024

// Check finds what is wrong with files, given by their names: paths relative to
// the function's address, with / between their parts. most is how many bytes
// they may take together, at most MaxTotal.
func Check(files map[string][]byte, most int) (problems []outcome.Problem) {
	if len(files) > MaxFiles {
		return []outcome.Problem{{Field: "assets", Reason: fmt.Sprintf("there are more than %d files", MaxFiles)}}
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := files[name]
		total += packed(name, data)
		reason := nameFault(name)
		if len(data) > MaxFile {
			reason = fmt.Sprintf("has %d bytes; the most of one file is %d", len(data), MaxFile)
		}
		if reason != "" && len(problems) < maxProblems {
			problems = append(problems, outcome.Problem{Field: "assets", Reason: fmt.Sprintf("%.100q %s", name, reason)})
		}
	}
	if total > most {
		problems = append(problems, outcome.Problem{Field: "assets", Reason: fmt.Sprintf("the files have %d bytes together, with their names; the most is %d", total, most)})
	}
	return problems
}

// nameFault says why a file cannot have a name, "" when it can.
func nameFault(name string) string {
	switch {
	case name == "":
		return "is no name"
	case len(name) > MaxName:
		return fmt.Sprintf("is longer than %d bytes", MaxName)
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return "holds a backslash or a control character"
	}
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "":
			return "begins or ends with a slash, or has two in a row"
		case ".", "..":
			return fmt.Sprintf("has %q as a part", part)
		}
	}
	return ""
}

// packed is what one file takes.
func packed(name string, data []byte) int {
	var n [binary.MaxVarintLen64]byte
	return binary.PutUvarint(n[:], uint64(len(name))) + len(name) + binary.PutUvarint(n[:], uint64(len(data))) + len(data)
}

// Pack writes files in the one form in which a version keeps them: in order of
// their names, name and content each behind its length. The same files give the
// same bytes. It returns nil for no files.
func Pack(files map[string][]byte) []byte {
	size := 0
	for name, data := range files {
		size += packed(name, data)
	}
	if size == 0 {
		return nil
	}
	out := make([]byte, 0, size)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		out = append(binary.AppendUvarint(out, uint64(len(name))), name...)
		out = append(binary.AppendUvarint(out, uint64(len(files[name]))), files[name]...)
	}
	return out
}

// Set are the files of a version. It is not changed.
type Set struct {
	files map[string]*File
	size  int
}

// File is one of them.
type File struct {
	Name string
	// Data is its content, which nobody changes.
	Data []byte
	// Type is its media type, and Tag its SHA-256, shortened.
	Type, Tag string

	once   sync.Once
	zipped []byte
}

var errPack = errors.New("it is not what Pack writes")

// Open reads what Pack has written. The files share its memory.
func Open(pack []byte) (*Set, error) {
	s := &Set{files: make(map[string]*File)}
	last := ""
	for rest := pack; len(rest) > 0; {
		var name, data []byte
		var err error
		if name, rest, err = next(rest); err != nil {
			return nil, err
		}
		if data, rest, err = next(rest); err != nil {
			return nil, err
		}
		f := &File{Name: string(name), Data: data, Type: typeOf(string(name))}
		if nameFault(f.Name) != "" || f.Name <= last || len(s.files) == MaxFiles {
			return nil, errPack
		}
		sum := sha256.Sum256(data)
		f.Tag = hex.EncodeToString(sum[:16])
		s.files[f.Name], last = f, f.Name
		s.size += 256 + len(name) + len(data)
		if f.compressible() {
			s.size += len(data) // what it may take beside
		}
	}
	return s, nil
}

func next(b []byte) (part, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, errPack
	}
	b = b[used:]
	return b[:n:n], b[n:], nil
}

// Size is what the files take in memory, in bytes, at most.
func (s *Set) Size() int { return s.size + 256 }

// Files are all of them, by their names. The map is not changed.
func (s *Set) Files() map[string]*File { return s.files }

// Find returns the file at a path, which begins with a slash and is not escaped:
// itself, or the index.html of a folder. folder says that the path names a
// folder with one, but without the slash that it needs so that relative
// addresses in it hold.
func (s *Set) Find(at string) (f *File, folder bool) {
	name := strings.TrimPrefix(at, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		return s.files[name+"index.html"], false
	}
	if f = s.files[name]; f != nil {
		return f, false
	}
	f = s.files[name+"/index.html"]
	return f, f != nil
}

// compressible tells whether compressing is worth a try.
func (f *File) compressible() bool {
	kind, _, _ := strings.Cut(f.Type, ";")
	return len(f.Data) >= smallest && (strings.HasPrefix(kind, "text/") || slices.Contains(shrinking, kind))
}

// Gzip is the content compressed, nil when that is no shorter. It is made once.
func (f *File) Gzip() []byte {
	f.once.Do(func() {
		if !f.compressible() {
			return
		}
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(f.Data) // to memory
		_ = w.Close()
		if out.Len() < len(f.Data) {
			f.zipped = bytes.Clone(out.Bytes())
		}
	})
	return f.zipped
}

// types are by the ending of the name, so that they do not depend on the machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".xml": "application/xml",
	".json": "application/json", ".map": "application/json", ".webmanifest": "application/manifest+json",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2",
	".ttf": "font/ttf", ".otf": "font/otf", ".pdf": "application/pdf", ".wasm": "application/wasm", ".zip": "application/zip",
	".gz": "application/gzip", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".wav": "audio/wav", ".mp4": "video/mp4", ".webm": "video/webm",
}

// shrinking are the types beside text/* that compressing makes shorter.
var shrinking = []string{"application/json", "application/manifest+json", "application/xml", "application/wasm", "image/svg+xml", "image/x-icon", "font/ttf", "font/otf"}

func typeOf(name string) string {
	if kind, known := types[strings.ToLower(path.Ext(name))]; known {
		return kind
	}
	return "application/octet-stream"
}
