package sourcemap

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxSize is the longest map that Parse takes, in bytes.
	MaxSize = 4 << 20

	maxSources  = 20_000
	maxSegments = 1 << 20
	maxLines    = 1 << 20
	// maxName bounds a source's name, in bytes.
	maxName = 256
	// maxNames bounds the names of all sources together, in bytes.
	maxNames = 1 << 20
)

// Position is a place in a source. Line and Column are counted from 1, the
// column in UTF-16 code units.
type Position struct {
	Source       string
	Line, Column int
}

// Map is a parsed source map. It may be used by many goroutines at once.
type Map struct {
	sources  []string
	segments []segment // in order of their place in the generated code
	lines    []int32   // where in segments each generated line begins
}

type segment struct {
	column, source, line, sourceColumn int32 // from 0; source is -1 where nothing is known
}

// document is a map's JSON. What is not named here is not looked at: above
// all sourcesContent and sourceMappingURL.
type document struct {
	Version    int               `json:"version"`
	SourceRoot string            `json:"sourceRoot"`
	Sources    []*string         `json:"sources"`
	Mappings   *string           `json:"mappings"`
	Sections   []json.RawMessage `json:"sections"`
}

// Parse reads a map. The error says what is wrong with it.
func Parse(data []byte) (*Map, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes; the most is %d", len(data), MaxSize)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("it is not the JSON of a source map: %w", err)
	}
	switch {
	case d.Version != 3:
		return nil, fmt.Errorf("its version is %d; it must be 3", d.Version)
	case len(d.Sections) > 0:
		return nil, errors.New("it has sections; only a map of one piece is taken")
	case d.Mappings == nil:
		return nil, errors.New("it has no mappings")
	case len(d.Sources) > maxSources:
		return nil, fmt.Errorf("it names %d sources; the most is %d", len(d.Sources), maxSources)
	}
	m := &Map{sources: make([]string, len(d.Sources))}
	total := 0
	for i, s := range d.Sources {
		if s != nil {
			m.sources[i] = printable(join(d.SourceRoot, *s))
		}
		if total += len(m.sources[i]); total > maxNames {
			return nil, fmt.Errorf("its sources' names take more than %d bytes", maxNames)
		}
	}
	if err := m.decode(*d.Mappings); err != nil {
		return nil, err
	}
	return m, nil
}

func join(root, source string) string {
	if root == "" || strings.HasPrefix(source, "/") {
		return source
	}
	return strings.TrimSuffix(root, "/") + "/" + source
}

// printable makes a source's name one that cannot break out of its place in a
// stack frame: one line, no parentheses, no controls.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r == '(' || r == ')' || !unicode.IsGraphic(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if len(name) <= maxName {
		return name
	}
	cut := len(name) - maxName + len("…")
	for !utf8.RuneStart(name[cut]) {
		cut++
	}
	return "…" + name[cut:]
}

func (m *Map) decode(mappings string) error {
	m.segments = make([]segment, 0, min(len(mappings)/5+1, maxSegments))
	m.lines = append(m.lines, 0)
	sorted := true
	err := walk(mappings, func(s segment, fields int) error {
		switch {
		case len(m.segments) == maxSegments:
			return fmt.Errorf("it has more than %d segments", maxSegments)
		case fields == 1:
			s.source = -1
		case int(s.source) >= len(m.sources):
			return fmt.Errorf("a segment names source %d of %d", s.source, len(m.sources))
		}
		if n := len(m.segments); n > int(m.lines[len(m.lines)-1]) && m.segments[n-1].column > s.column {
			sorted = false
		}
		m.segments = append(m.segments, s)
		return nil
	}, func() error {
		if len(m.lines) == maxLines {
			return fmt.Errorf("it maps more than %d lines", maxLines)
		}
		m.lines = append(m.lines, int32(len(m.segments)))
		return nil
	})
	if err != nil {
		return err
	}
	if !sorted {
		for line := range m.lines {
			in := m.line(line)
			sort.SliceStable(in, func(a, b int) bool { return in[a].column < in[b].column })
		}
	}
	return nil
}

// line returns the segments of a generated line, counted from 0.
func (m *Map) line(n int) []segment {
	if n < 0 || n >= len(m.lines) {
		return nil
	}
	end := len(m.segments)
	if n+1 < len(m.lines) {
		end = int(m.lines[n+1])
	}
	return m.segments[m.lines[n]:end]
}

// Find returns where a place in the generated code came from; line and column
// are counted from 1. ok is false when the map does not say.
func (m *Map) Find(line, column int) (p Position, ok bool) {
	in := m.line(line - 1)
	i := sort.Search(len(in), func(i int) bool { return int(in[i].column) > column-1 })
	if i == 0 || in[i-1].source < 0 {
		return Position{}, false
	}
	s := in[i-1]
	if m.sources[s.source] == "" {
		return Position{}, false
	}
	return Position{m.sources[s.source], int(s.line) + 1, int(s.sourceColumn) + 1}, true
}

// Size is about how many bytes the map takes in memory.
func (m *Map) Size() int {
	n := len(m.segments)*16 + len(m.lines)*4
	for _, s := range m.sources {
		n += len(s) + 16
	}
	return n
}

// ShiftLines returns mappings in which every place in one source lies so many
// lines further down. Places that would come to lie above its first line are
// put there.
func ShiftLines(mappings string, source, lines int) (string, error) {
	var out strings.Builder
	var last [5]int32
	start := true
	names := nameReader{}
	err := walkNames(mappings, &names, func(s segment, fields int) error {
		if fields > 1 && int(s.source) == source {
			s.line = int32(max(int(s.line)+lines, 0))
		}
		if !start {
			out.WriteByte(',')
		}
		start = false
		for i, v := range []int32{s.column, s.source, s.line, s.sourceColumn, names.name}[:fields] {
			appendVLQ(&out, v-last[i])
			last[i] = v
		}
		return nil
	}, func() error {
		out.WriteByte(';')
		start, last[0] = true, 0
		return nil
	})
	return out.String(), err
}

// nameReader takes the fifth field of segments, which a Map has no use for.
type nameReader struct{ name int32 }

func walk(mappings string, each func(s segment, fields int) error, next func() error) error {
	return walkNames(mappings, &nameReader{}, each, next)
}

// walkNames calls each for every segment, with absolute values, and next at
// every end of a line.
func walkNames(mappings string, names *nameReader, each func(s segment, fields int) error, next func() error) error {
	var now segment
	fields := [5]*int32{&now.column, &now.source, &now.line, &now.sourceColumn, &names.name}
	for i := 0; i < len(mappings); {
		switch mappings[i] {
		case ';':
			now.column = 0
			if err := next(); err != nil {
				return err
			}
			i++
			continue
		case ',':
			i++
			continue
		}
		n := 0
		for ; i < len(mappings) && mappings[i] != ',' && mappings[i] != ';'; n++ {
			delta, length := readVLQ(mappings[i:])
			if length == 0 || n == len(fields) {
				return fmt.Errorf("its mappings are damaged at offset %d", i)
			}
			v := int64(*fields[n]) + delta
			if v < 0 || v > math.MaxInt32 {
				return fmt.Errorf("its mappings are out of range at offset %d", i)
			}
			*fields[n] = int32(v)
			i += length
		}
		if n != 1 && n != 4 && n != 5 {
			return fmt.Errorf("its mappings have a segment of %d fields before offset %d", n, i)
		}
		if err := each(now, n); err != nil {
			return err
		}
	}
	return nil
}
