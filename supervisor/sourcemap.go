package supervisor

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/sourcemap"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// MaxSourceMap is the longest source map of a function, in bytes. It does not
// count as code.
const MaxSourceMap = sourcemap.MaxSize

// maxFrames is how many stack frames of one text are translated.
const maxFrames = 100

// translation turns places in a function's code into places in the sources
// that it was made of. The map is not looked for before there is a place to
// translate.
type translation struct {
	file string // what stack frames call the code
	find func() *sourcemap.Map
}

// newTranslation makes the translation of a function's code; find returns nil
// when there is no map.
func newTranslation(function string, find func() *sourcemap.Map) *translation {
	return &translation{file: function + ".js", find: sync.OnceValue(find)}
}

func (t *translation) place(line, column int) (sourcemap.Position, bool) {
	m := t.find()
	if m == nil {
		return sourcemap.Position{}, false
	}
	return m.Find(line, column)
}

// err translates an error's exception and problems. The error may be shared,
// so a changed one is a copy.
func (t *translation) err(err error) error {
	var e *outcome.Error
	if t == nil || !errors.As(err, &e) {
		return err
	}
	translated := *e
	translated.Exception = t.thrown(e.Exception)
	translated.Problems = t.problems(e.Problems)
	return &translated
}

func (t *translation) thrown(e *outcome.Thrown) *outcome.Thrown {
	if e == nil {
		return nil
	}
	translated := *e
	translated.Stack = t.text(e.Stack)
	translated.Cause = t.thrown(e.Cause)
	translated.Errors = slices.Clone(e.Errors)
	for i, inner := range e.Errors {
		translated.Errors[i] = t.thrown(inner)
	}
	return &translated
}

func (t *translation) problems(problems []outcome.Problem) []outcome.Problem {
	problems = slices.Clone(problems)
	for i, p := range problems {
		if p.Field != "code" || p.Line == 0 || p.File != "" {
			continue
		}
		if at, ok := t.place(p.Line, p.Column); ok {
			problems[i].File, problems[i].Line, problems[i].Column = at.Source, at.Line, at.Column
		}
	}
	return problems
}

// logs translates the stacks in what was logged.
func (t *translation) logs(logs []Log) []Log {
	if t == nil {
		return logs
	}
	var translated []Log
	for i, l := range logs {
		if text := t.text(l.Message); text != l.Message {
			if translated == nil {
				translated = slices.Clone(logs)
			}
			translated[i].Message = text
		}
	}
	if translated == nil {
		return logs
	}
	return translated
}

// text translates the stack frames in a text: lines like
// "at name (file:line:column)".
func (t *translation) text(text string) string {
	if t == nil || !strings.Contains(text, t.file+":") {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	frames := 0
	for i, line := range lines {
		if frames < maxFrames && strings.HasPrefix(strings.TrimLeft(line, " \t"), "at ") {
			lines[i] = t.frame(line)
			frames++
		}
	}
	return strings.Join(lines, "")
}

func (t *translation) frame(line string) string {
	at := strings.LastIndex(line, t.file+":")
	if at < 1 || line[at-1] != '(' && line[at-1] != ' ' {
		return line
	}
	rest := line[at+len(t.file)+1:]
	end := strings.IndexAny(rest, ")\n")
	if end < 0 {
		end = len(rest)
	}
	row, column, _ := strings.Cut(rest[:end], ":")
	r, err := strconv.Atoi(row)
	c, err2 := strconv.Atoi(column)
	if err != nil || err2 != nil {
		return line
	}
	p, ok := t.place(r, c)
	if !ok {
		return line
	}
	return line[:at] + p.Source + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column) + rest[end:]
}

// at is the place that a line of a stack names, in the lines of the source.
func (t *translation) at(line string) string {
	line = ipc.Clip(line, ipc.MaxDetail)
	if t != nil {
		line = t.frame(line)
	}
	return placeOf(line)
}

// placeOf is the place that a line of a stack names: "at name (file:1:2)", or "at
// file:1:2".
func placeOf(line string) string {
	line = strings.TrimSuffix(strings.TrimSpace(line), ")")
	if i := strings.LastIndexAny(line, "( "); i >= 0 {
		line = line[i+1:]
	}
	if strings.Count(line, ":") < 2 {
		return ""
	}
	return line
}

// storedTranslation is the translation of a deployed version, whose map has
// this digest; "" stands for none.
func (s *Supervisor) storedTranslation(tenant, function, digest string) *translation {
	if digest == "" {
		return nil
	}
	return newTranslation(function, func() *sourcemap.Map {
		m, err := s.maps.get(s.life, tenant, digest, func(ctx context.Context) ([]byte, error) {
			return s.store.Code(ctx, tenant, digest)
		})
		if err != nil {
			s.log.Debug("a stack is not translated", "tenant", tenant, "function", function, "error", err)
		}
		return m
	})
}

// specTranslation is the translation of code that is not deployed; nil when it
// has no map. The problem is what is wrong with the map.
func specTranslation(f FunctionSpec) (*translation, []outcome.Problem) {
	if f.SourceMap == "" {
		return nil, nil
	}
	m, err := sourcemap.Parse([]byte(f.SourceMap))
	if err != nil {
		return nil, []outcome.Problem{{Field: "source_map", Reason: err.Error()}}
	}
	return newTranslation(f.Function, func() *sourcemap.Map { return m }), nil
}
