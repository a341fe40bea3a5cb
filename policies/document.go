package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document.
const (
	maxDepth    = 16   // nesting
	maxList     = 1000 // entries of one list
	maxProblems = 100
)

// document reads one YAML document's nodes and collects what is wrong.
type document struct {
	file     string
	problems []Problem
}

func (d *document) problem(n *yaml.Node, format string, args ...any) {
	d.suggest(n, "", format, args...)
}

func (d *document) suggest(n *yaml.Node, suggestion, format string, args ...any) {
	if len(d.problems) == maxProblems {
		return
	}
	p := Problem{File: d.file, Reason: fmt.Sprintf(format, args...), Suggestion: suggestion}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}

// err returns what was wrong, in the document's order, or nil.
func (d *document) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &ParseError{File: d.file, Problems: d.problems}
}

// read returns the one document's top node, after the checks that hold for
// all of it.
func (d *document) read(data []byte, maxSize int, what string) *yaml.Node {
	switch {
	case len(data) > maxSize:
		d.problem(nil, "the document has %d bytes; at most %d are allowed", len(data), maxSize)
		return nil
	case !utf8.Valid(data):
		d.problem(nil, "the document is not UTF-8 text")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		d.problem(nil, "the document is empty")
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := dec.Decode(&next); err == nil {
		d.problem(&next, "there is a second document; write one to a file")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 {
		d.problem(nil, "the document is empty")
		return nil
	}
	root := doc.Content[0]
	d.plain(root, 0)
	if len(d.problems) > 0 {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		d.problem(root, "%s must be a mapping", what)
		return nil
	}
	return root
}

var yamlPlace = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (d *document) syntax(err error) {
	place := &yaml.Node{}
	reason := err.Error()
	if m := yamlPlace.FindStringSubmatch(reason); m != nil {
		fmt.Sscan(m[1], &place.Line)
		reason = m[2]
	}
	d.problem(place, "not valid YAML: %s", reason)
}

// plain refuses what a policy has no use for and a bomb is made of.
func (d *document) plain(n *yaml.Node, depth int) {
	switch {
	case depth > maxDepth:
		d.problem(n, "nested more than %d deep", maxDepth)
		return
	case n.Kind == yaml.AliasNode:
		d.problem(n, "aliases are not supported; write the value out")
		return
	case n.Anchor != "":
		d.problem(n, "anchors are not supported; write the value out")
	case len(n.Content) > 2*maxList:
		d.problem(n, "more than %d entries", maxList)
		return
	}
	for _, c := range n.Content {
		d.plain(c, depth+1)
	}
}

func (d *document) version(root, n *yaml.Node) {
	switch {
	case n == nil:
		d.problem(root, "version is missing; write version: 1")
	case n.Kind != yaml.ScalarNode || n.Tag != "!!int" || n.Value != "1":
		d.problem(n, "version must be 1")
	}
}

// fields returns a mapping's values by their names. Every returned name is
// one of known.
func (d *document) fields(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "%s must be a mapping with the fields %s", what, strings.Join(known, ", "))
		return nil
	}
	fields := make(map[string]*yaml.Node, len(known))
	lines := make(map[string]int, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.problem(key, "a field's name must be a word")
		case lines[key.Value] > 0:
			d.problem(key, "field %s is given twice; the first is on line %d", quote(key.Value), lines[key.Value])
		case !slices.Contains(known, key.Value):
			lines[key.Value] = key.Line
			d.suggest(key, nearest(key.Value, known), "unknown field %s; %s has the fields %s", quote(key.Value), what, strings.Join(known, ", "))
		default:
			lines[key.Value] = key.Line
			fields[key.Value] = value
		}
	}
	return fields
}

// list reads one value or a list of them, each with read, which reports its
// own problems.
func list[T any](d *document, n *yaml.Node, what string, read func(*yaml.Node) (T, bool)) []T {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
		if len(nodes) == 0 {
			d.problem(n, "%s is an empty list", what)
			return nil
		}
		if len(nodes) > maxList {
			d.problem(n, "%s has %d entries; at most %d are allowed", what, len(nodes), maxList)
			return nil
		}
	}
	var values []T
	for _, c := range nodes {
		if v, ok := read(c); ok {
			values = append(values, v)
		}
	}
	return values
}
