package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/doctor"
)

// columns is how wide a report is.
const columns = 80

// diagnosis prints the report, and ends the command with its verdict's code.
func (t *terminal) diagnosis(r *doctor.Report) error {
	if t.json {
		if err := t.document(r); err != nil {
			return err
		}
	} else {
		t.layers(r.Layers)
		t.facts("HOST", r.Host)
		t.facts("DATA", r.Data)
		t.mitigations(r.Mitigations)
		if r.Attack != nil {
			t.attack(r.Attack)
		}
		t.verdict(r)
	}
	if code := r.Verdict.ExitCode(); code != 0 {
		return exitStatus(code)
	}
	return nil
}

func (t *terminal) layers(layers []doctor.Layer) {
	if len(layers) == 0 {
		return
	}
	t.printf("  %-18s %-16s %s", "LAYER", "KERNEL", "IN A SANDBOX PROCESS")
	for _, l := range layers {
		mark, color, state := "✓", green, "active"
		switch {
		case l.Mode == confine.Off:
			mark, color, state = "-", yellow, ""
		case !l.Active && l.Mode == confine.Required:
			mark, color, state = "✗", red, "missing, and required"
		case !l.Active:
			mark, color, state = "!", yellow, "missing"
		}
		if l.Detail != "" && state != "" {
			state += ": "
		}
		t.row(38, fmt.Sprintf("%s %-18s %-16s ", t.paint(t.outTTY, color, mark), l.Name, l.Kernel), state+l.Detail)
		t.advice(l.Remedy)
	}
}

func (t *terminal) facts(title string, facts []doctor.Fact) {
	if len(facts) == 0 {
		return
	}
	t.printf("\n  %s", title)
	for _, f := range facts {
		mark := " "
		if f.Advice != "" {
			mark = t.paint(t.outTTY, yellow, "!")
		}
		t.row(28, fmt.Sprintf("%s %-25s ", mark, f.Name), f.Value)
		t.advice(f.Advice)
	}
}

// mitigations shows the processor's faults that concern this one.
func (t *terminal) mitigations(facts []doctor.Fact) {
	if len(facts) == 0 {
		return
	}
	t.printf("\n  THE PROCESSOR'S OWN FAULTS, as the kernel tells (no verdict)")
	clear := 0
	for _, f := range facts {
		if f.Value == "Not affected" {
			clear++
			continue
		}
		t.row(28, fmt.Sprintf("  %-25s ", f.Name), f.Value)
	}
	t.printf("  %d others                  not affected", clear)
}

// letters are the columns of the table of attempts.
var letters = map[string]string{
	"sealed-code": "C", "namespaces": "N", "empty-root": "R", "user": "U", "no-new-privileges": "P", "not-dumpable": "D",
	"rlimits": "L", "capabilities": "K", "landlock": "F", "seccomp": "S",
}

func (t *terminal) attack(a *doctor.Attack) {
	var head, legend []string
	for _, l := range a.Layers {
		head = append(head, letters[l.Name])
		legend = append(legend, letters[l.Name]+" "+l.Name)
	}
	t.printf("\n  ATTEMPTS by native code in a locked sandbox process")
	t.row(2, "  ", "A column is a layer, and has an x where that layer stops the attempt alone, with all others off that might: "+strings.Join(legend, ", "))
	group := ""
	for _, m := range a.Attempts {
		if m.Group != group {
			group = m.Group
			t.printf("\n  %-44s %-10s %s", strings.ToUpper(group), "ENDS", strings.Join(head, " "))
		}
		mark, ends := t.paint(t.outTTY, green, "✓"), m.Refused
		if m.Escaped {
			mark, ends = t.paint(t.outTTY, red, "✗"), "GOT OUT"
		} else if len(m.Weak) > 0 {
			mark = t.paint(t.outTTY, yellow, "!")
		}
		var cells []string
		for _, l := range a.Layers {
			cell := " "
			switch {
			case slices.Contains(m.HeldBy, l.Name):
				cell = "x"
			case slices.Contains(m.Weak, l.Name):
				cell = "!"
			}
			cells = append(cells, cell)
		}
		line := fmt.Sprintf("%s %-44s %-10s %s", mark, m.Does, ends, strings.Join(cells, " "))
		t.printf("%s", strings.TrimRight(line, " "))
		if m.Note != "" {
			t.advice(m.Note)
		}
	}
	if len(a.Database) > 0 {
		t.printf("\n  THE SAME in a locked database process")
		for _, m := range a.Database {
			if m.Escaped {
				t.printf("%s %-44s GOT OUT", t.paint(t.outTTY, red, "✗"), m.Does)
				t.advice(m.Note)
			}
		}
		if !slices.ContainsFunc(a.Database, func(m doctor.Attempt) bool { return m.Escaped }) {
			t.printf("%s none got out", t.paint(t.outTTY, green, "✓"))
		}
	}
	t.printf("\n  %-18s %s", "LAYER", "WHAT THE ATTEMPTS SHOW")
	for _, l := range a.Layers {
		text := "not active"
		switch {
		case l.Active && l.Stops == 0:
			text = "nothing on this host: others stop the same"
		case l.Only > 0:
			text = fmt.Sprintf("stops %d alone; of these, %d get out when it is off", l.Stops, l.Only)
		case l.Active:
			text = fmt.Sprintf("stops %d alone, which others stop as well", l.Stops)
		}
		t.printf("  %-18s %s", l.Name, text)
	}
}

func (t *terminal) verdict(r *doctor.Report) {
	t.printf("")
	for _, p := range r.Problems {
		t.row(2, t.paint(t.outTTY, red, "✗")+" ", p)
	}
	color, text := green, "every layer is active"
	switch r.Verdict {
	case doctor.Degraded:
		color, text = yellow, "sandboxes run, with fewer layers than there could be"
	case doctor.Unfit:
		color, text = red, "serve would refuse to start here"
	case doctor.Escaped:
		color, text = red, fmt.Sprintf("%d attempts got out of a locked process", r.Attack.Escapes)
	}
	if a := r.Attack; a != nil && a.Escapes == 0 {
		text += fmt.Sprintf("; none of %d attempts got out", len(a.Attempts))
		if a.Unproved > 0 {
			text += fmt.Sprintf(" (%d of them are not possible here anyway)", a.Unproved)
		}
		if a.Weak > 0 {
			text += fmt.Sprintf("; %d were stopped by fewer layers than expected", a.Weak)
		}
	}
	t.row(2, "", t.paint(t.outTTY, color, string(r.Verdict))+": "+text)
}

// advice shows what to do, below what it is about.
func (t *terminal) advice(s string) {
	if s != "" {
		t.row(7, "    "+t.paint(t.outTTY, green, "->")+" ", s)
	}
}

// row prints a first column and a text beside it, in as many lines as that
// needs.
func (t *terminal) row(indent int, first, text string) {
	var lines []string
	for _, word := range strings.Fields(clean(t.outTTY, text)) {
		if n := len(lines); n > 0 && len([]rune(lines[n-1]))+1+len([]rune(word)) <= columns-indent {
			lines[n-1] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	t.printf("%s", strings.TrimRight(first+strings.Join(lines, "\n"+strings.Repeat(" ", indent)), " "))
}
