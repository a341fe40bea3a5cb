package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table of measurements in SPECIFICATION.md stands between these.
const (
	tableBegin = "<!-- measured: go run ./bench -write SPECIFICATION.md -->\n"
	tableEnd   = "<!-- end of measured -->\n"
)

// write puts the rows into a document's table. Rows of steps that have not been
// measured now stay as they are.
func (b *bench) write(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, began := bytes.Cut(text, []byte(tableBegin))
	old, after, ended := bytes.Cut(rest, []byte(tableEnd))
	if !began || !ended {
		return fmt.Errorf("%s has no table between %q and %q", path, strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	byStep := make(map[string][]string)
	for line := range strings.Lines(string(old)) {
		if cells := strings.Split(line, " | "); len(cells) == 5 {
			byStep[cells[1]] = append(byStep[cells[1]], line)
		}
	}
	for _, r := range b.rows {
		byStep[r.step] = nil
	}
	parent := ""
	for _, r := range b.rows {
		what, of := strings.CutPrefix(r.what, "  ")
		if of {
			what = parent + " … " + what
		} else {
			parent, _, _ = strings.Cut(r.what, ",")
		}
		byStep[r.step] = append(byStep[r.step], fmt.Sprintf("| %s | %s | %s | %s | %s |\n", what, r.step, r.target, r.figure, r.mark()))
	}
	table := fmt.Sprintf("%s.\n\n| what | step | to reach | measured | state |\n| --- | --- | --- | --- | --- |\n", b.machine())
	for _, s := range steps {
		table += strings.Join(byStep[s.name], "")
	}
	return os.WriteFile(path, slices.Concat(before, []byte(tableBegin), []byte(table), []byte(tableEnd), after), 0o644)
}
