package policies

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// text reads a string.
func (d *document) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, "%s must be a string", what)
		return "", false
	}
	switch n.Tag {
	case "!!str":
	case "!!null":
		d.problem(n, "%s has no value", what)
		return "", false
	default:
		d.problem(n, "%s must be a string; put %s in quotes", what, quote(n.Value))
		return "", false
	}
	return n.Value, true
}

// line reads a string of at most so many bytes.
func (d *document) line(n *yaml.Node, what string, most int) (string, bool) {
	s, ok := d.text(n, what)
	if ok && len(s) > most {
		d.problem(n, "%s has %d bytes; at most %d are allowed", what, len(s), most)
		return "", false
	}
	return s, ok
}

// word reads one of a few words.
func (d *document) word(n *yaml.Node, what string, words []string) (string, bool) {
	s, ok := d.text(n, what)
	if ok && !slices.Contains(words, s) {
		d.suggest(n, nearest(s, words), "unknown %s %s; it must be one of %s", what, quote(s), strings.Join(words, ", "))
		return "", false
	}
	return s, ok
}

func (d *document) action(n *yaml.Node, what string) (Action, bool) {
	s, ok := d.word(n, what, actions)
	return Action(max(0, slices.Index(actions, s))), ok
}

func (d *document) truth(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		d.problem(n, "%s must be true or false", what)
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// count reads a whole number from 1.
func (d *document) count(n *yaml.Node, what string) (int64, bool) {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < 1 {
		d.problem(n, "%s must be a whole number from 1", what)
		return 0, false
	}
	return v, true
}

// rate reads a number above 0.
func (d *document) rate(n *yaml.Node, what string) (float64, bool) {
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!float" || err != nil || !(v >= 0.001) || v > 1e9 || math.IsNaN(v) {
		d.problem(n, "%s must be a number from 0.001 to 1000000000", what)
		return 0, false
	}
	return v, true
}

// bytes reads a size.
func (d *document) bytes(n *yaml.Node, what string, least int64) (int64, bool) {
	v, ok := parseSize(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" && n.Tag != "!!str" || !ok || v < least {
		d.problem(n, "%s must be a size of at least %d, written like 512, 64KiB or 5MiB", what, least)
		return 0, false
	}
	return v, true
}
