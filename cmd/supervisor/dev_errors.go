package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/policies"
)

// explainable are the attributes of a call that policy explain takes.
var explainable = []string{"method", "scheme", "host", "port", "path", "statement", "tables", "key", "name", "size"}

// what says what a call was about.
func (e *auditEntry) what() string {
	var what []string
	for _, name := range explainable {
		if v, ok := e.Attributes[name]; ok {
			what = append(what, name+"="+quoteUnprintable(fmt.Sprint(v)))
		}
	}
	return strings.Join(what, " ")
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// placeFile is the file of a rule's place, "FILE:LINE".
func placeFile(place string) string {
	file, _, _ := strings.Cut(place, ":")
	if _, err := os.Stat(file); err != nil {
		return "" // a preset
	}
	return file
}

// allowedBy tells whether a preset lets some call of an API through.
func allowedBy(preset, api string) bool {
	p, ok := policies.Preset(preset)
	return ok && p.Explain(api, policies.Attributes{Scheme: "https", Method: "GET", Host: "example.com", Port: 443, Path: "/"}).Allowed
}

// details shows the rest of an error: its problems with their source lines, or
// its exception with the line that threw.
func (o *devOutput) details(function string, about failure) {
	for _, p := range about.Problems {
		p.Reason = clean(o.t.outTTY, p.Reason)
		o.more("%s", p.String())
		o.frame(p.File, p.Line, p.Column, p.Excerpt)
	}
	if e := about.Exception; e != nil {
		for label := ""; e != nil; e, label = e.Cause, "caused by " {
			if label != "" || !strings.Contains(about.Detail, e.String()) {
				o.more("%s%s", label, clean(o.t.outTTY, e.String()))
			}
			for line := range strings.Lines(e.Stack) {
				o.more("  %s", o.t.paint(o.t.outTTY, dim, clean(o.t.outTTY, strings.TrimSpace(line))))
			}
			if label == "" {
				o.thrower(function, e.Stack)
			}
		}
	}
	if about.Remedy != "" {
		o.more("%s %s", o.t.paint(o.t.outTTY, green, "->"), clean(o.t.outTTY, about.Remedy))
	}
}

// stackPlace finds the place in a line of a stack.
var stackPlace = regexp.MustCompile(`\(?([^\s()]+):(\d+):(\d+)\)?\s*$`)

// thrower shows the source of the first line of a stack that is in a file of
// the function's.
func (o *devOutput) thrower(function, stack string) {
	for line := range strings.Lines(stack) {
		at := stackPlace.FindStringSubmatch(line)
		if at == nil {
			continue
		}
		if path := o.source(function, at[1]); path != "" {
			l, _ := strconv.Atoi(at[2])
			c, _ := strconv.Atoi(at[3])
			o.frame(path, l, c, "")
			return
		}
	}
}

// source finds the file that a stack names, among those of a function.
func (o *devOutput) source(function, name string) string {
	f := o.d.built[function]
	if f == nil {
		return ""
	}
	entry := filepath.Join(o.d.p.dir, f.Path)
	if name == function+".js" && len(f.files) == 1 {
		return entry // code that went up as it is
	}
	for file := range f.files {
		if strings.HasSuffix(file, "/"+strings.TrimPrefix(name, "./")) {
			return file
		}
	}
	return ""
}

// frame shows a place in a source: the line, those around it, and a mark below.
// Without a file that can be read it shows the excerpt.
func (o *devOutput) frame(file string, line, column int, excerpt string) {
	if line <= 0 {
		return
	}
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(o.d.p.dir, file)
	}
	for _, l := range codeFrame(path, line, excerpt) {
		mark := "  "
		if l.hit {
			mark = o.t.paint(o.t.outTTY, red, "> ")
		}
		o.more("%s%s%s", mark, o.t.paint(o.t.outTTY, dim, fmt.Sprintf("%5s | ", l.number)), clean(o.t.outTTY, l.text))
		if l.hit && column > 0 {
			o.more("  %s%s%s", o.t.paint(o.t.outTTY, dim, "      | "), strings.Repeat(" ", min(column-1, 200)), o.t.paint(o.t.outTTY, red, "^"))
		}
	}
}

// frameLine is a line of a code frame.
type frameLine struct {
	number, text string
	hit          bool
}

const longestFrameLine = 200

// codeFrame reads a line of a file and those around it.
func codeFrame(path string, line int, excerpt string) []frameLine {
	var lines []frameLine
	add := func(n int, text string) {
		text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\t", " ")
		if len(text) > longestFrameLine {
			text = strings.ToValidUTF8(text[:longestFrameLine], "") + "..."
		}
		lines = append(lines, frameLine{strconv.Itoa(n), text, n == line})
	}
	if f, err := os.Open(path); err == nil {
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, maxInput)
		for n := 1; s.Scan() && n <= line+1; n++ {
			if n >= line-1 && utf8.Valid(s.Bytes()) {
				add(n, s.Text())
			}
		}
	}
	if !slices.ContainsFunc(lines, func(l frameLine) bool { return l.hit }) {
		lines = nil
		if excerpt != "" {
			add(line, excerpt)
		}
	}
	return lines
}
