package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// specReporter shows tests as people read them.
type specReporter struct {
	t      *terminal
	nfiles int
	testCounts
}

func (r *specReporter) file(run *testRun) {
	t := r.t
	r.nfiles++
	t.printf("%s", clean(t.outTTY, run.file))
	var open []string // the suites whose names were shown
	for _, e := range run.entries {
		if e.Outcome == "" {
			r.text("  ", t.paint(t.outTTY, dim, fmt.Sprintf("[%s] ", e.Level))+clean(t.outTTY, strings.TrimRight(e.Log, "\n")))
			continue
		}
		r.add(e)
		suites, name := e.Path[:max(len(e.Path)-1, 0)], ""
		if len(e.Path) > 0 {
			name = e.Path[len(e.Path)-1]
		}
		for i, s := range suites {
			if i >= len(open) || !slices.Equal(open[:min(i+1, len(open))], suites[:i+1]) {
				t.printf("%s%s", strings.Repeat("  ", i+1), oneLine(s))
			}
		}
		open = suites
		pad := strings.Repeat("  ", len(suites)+1)
		mark, more := t.paint(t.outTTY, green, "✓"), ""
		switch e.Outcome {
		case "failed":
			mark = t.paint(t.outTTY, red, "✗")
		case "skipped", "todo":
			mark, more = t.paint(t.outTTY, yellow, "-"), " ("+strings.TrimRight(e.Outcome+": "+oneLine(e.Reason), ": ")+")"
		}
		if e.MS >= 100 {
			more += t.paint(t.outTTY, dim, fmt.Sprintf("  %.0f ms", e.MS))
		}
		t.printf("%s%s %s%s", pad, mark, oneLine(name), more)
		for _, note := range e.Notes {
			r.text(pad+"  ", t.paint(t.outTTY, dim, "note: "+clean(t.outTTY, note)))
		}
		if e.Error != nil {
			r.failure(run, pad+"  ", e.Error)
		}
	}
}

func (r *specReporter) text(pad, s string) {
	r.t.printf("%s%s", pad, strings.ReplaceAll(s, "\n", "\n"+pad))
}

// failure shows why a test failed: the message, what differs, where.
func (r *specReporter) failure(run *testRun, pad string, e *testError) {
	t := r.t
	for label := ""; e != nil; e, label = e.Cause, "caused by " {
		r.text(pad, t.paint(t.outTTY, red, label+clean(t.outTTY, e.String())))
		for _, p := range e.Problems {
			r.text(pad, clean(t.outTTY, p.String()))
			if p.Line > 0 {
				r.frame(pad, filepath.Join(run.root, p.File), p.Line, p.Column, p.Excerpt)
			}
		}
		for _, line := range diffLines(e) {
			code := dim
			switch {
			case strings.HasPrefix(line, "-"):
				code = green
			case strings.HasPrefix(line, "+"):
				code = red
			}
			t.printf("%s  %s", pad, t.paint(t.outTTY, code, clean(t.outTTY, line)))
		}
		shown := false
		for line := range strings.Lines(e.Stack) {
			line = strings.TrimSpace(line)
			t.printf("%s  %s", pad, t.paint(t.outTTY, dim, clean(t.outTTY, line)))
			if at := stackPlace.FindStringSubmatch(line); at != nil && !shown && label == "" {
				shown = true
				l, _ := strconv.Atoi(at[2])
				c, _ := strconv.Atoi(at[3])
				r.frame(pad, filepath.Join(run.root, at[1]), l, c, "")
			}
		}
		if e.Remedy != "" {
			r.text(pad, t.paint(t.outTTY, green, "->")+" "+e.Remedy)
		}
	}
}

func (r *specReporter) frame(pad, path string, line, column int, excerpt string) {
	t := r.t
	for _, l := range codeFrame(path, line, excerpt) {
		mark := "  "
		if l.hit {
			mark = t.paint(t.outTTY, red, "> ")
		}
		t.printf("%s  %s%s%s", pad, mark, t.paint(t.outTTY, dim, fmt.Sprintf("%5s | ", l.number)), clean(t.outTTY, l.text))
		if l.hit && column > 0 {
			t.printf("%s    %s%s%s", pad, t.paint(t.outTTY, dim, "      | "), strings.Repeat(" ", min(column-1, longestFrameLine)), t.paint(t.outTTY, red, "^"))
		}
	}
}

func (r *specReporter) end(took time.Duration) (bool, error) {
	t := r.t
	parts := []string{fmt.Sprintf("%d passed", r.Passed)}
	if r.Failed > 0 {
		parts = append(parts, t.paint(t.outTTY, red, fmt.Sprintf("%d failed", r.Failed)))
	}
	if r.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", r.Skipped))
	}
	if r.Todo > 0 {
		parts = append(parts, fmt.Sprintf("%d todo", r.Todo))
	}
	files := "1 file"
	if r.nfiles != 1 {
		files = fmt.Sprintf("%d files", r.nfiles)
	}
	t.printf("\n%s  (%s, %.2f s)", strings.Join(parts, ", "), files, took.Seconds())
	return r.Failed > 0, nil
}

const (
	maxDiffLines = 1500 // of one value, beyond which no difference is sought
	diffContext  = 3
)

// diffLines shows how an actual value differs from the one that was expected:
// "- " before lines that are missing, "+ " before lines that are there instead.
func diffLines(e *testError) []string {
	if e.Actual == nil || e.Expected == nil || *e.Actual == *e.Expected {
		return nil
	}
	want, got := strings.Split(*e.Expected, "\n"), strings.Split(*e.Actual, "\n")
	if len(want) > maxDiffLines || len(got) > maxDiffLines {
		return []string{"- expected: " + clipped(*e.Expected), "+ actual:   " + clipped(*e.Actual)}
	}
	// common[i][j] is the longest common part of want[i:] and got[j:].
	common := make([][]int16, len(want)+1)
	for i := range common {
		common[i] = make([]int16, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []string
	for i, j := 0, 0; i < len(want) || j < len(got); {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			all = append(all, "  "+want[i])
			i, j = i+1, j+1
		case i < len(want) && (j == len(got) || common[i+1][j] >= common[i][j+1]):
			all = append(all, "- "+want[i])
			i++
		default:
			all = append(all, "+ "+got[j])
			j++
		}
	}
	out := []string{"- expected", "+ actual", ""}
	skipped := false
	for i, line := range all {
		near := slices.ContainsFunc(all[max(0, i-diffContext):min(len(all), i+diffContext+1)], func(l string) bool { return l[0] != ' ' })
		if near {
			out = append(out, line)
		} else if !skipped {
			out = append(out, "  ...")
		}
		skipped = !near
	}
	return out
}

func clipped(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
