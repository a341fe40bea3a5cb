package policies

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xrash/smetrics"
)

// ParseError lists everything that is wrong with a document.
type ParseError struct {
	// File is the name that was given to Parse.
	File     string
	Problems []Problem
}

// Problem is one mistake in a document.
type Problem struct {
	File string `json:"file"`
	// Line and Column are counted from 1; 0 when the mistake has no place.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Reason string `json:"reason"`
	// Suggestion is the word that was probably meant, or "".
	Suggestion string `json:"suggestion,omitempty"`
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	b.WriteString(": ")
	b.WriteString(p.Reason)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return b.String()
}

func (e *ParseError) Error() string {
	if len(e.Problems) == 1 {
		return e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s has %d problems:", e.File, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// nearest returns the word of words that got was probably meant to be, or "".
func nearest(got string, words []string) string {
	if len(got) > 64 {
		return ""
	}
	best, distance := "", 3
	for _, w := range words {
		d := smetrics.WagnerFischer(strings.ToLower(got), w, 1, 1, 1)
		if d > 0 && d < distance && d < len(w) {
			best, distance = w, d
		}
	}
	return best
}

// quote makes text from a document safe and short enough for a message.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
