package main

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
)

// reporter shows how tests went.
type reporter interface {
	file(run *testRun)
	// end tells whether a test failed.
	end(took time.Duration) (failed bool, err error)
}

func newReporter(t *terminal, kind string) reporter {
	switch {
	case t.json:
		return &jsonReporter{t: t}
	case kind == "tap":
		t.printf("TAP version 14")
		return &tapReporter{t: t}
	case kind == "junit":
		return &junitReporter{t: t}
	}
	return &specReporter{t: t}
}

// testCounts counts tests by how they ended.
type testCounts struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Todo    int `json:"todo"`
}

func (n *testCounts) add(e testEntry) {
	switch e.Outcome {
	case "passed":
		n.Passed++
	case "failed":
		n.Failed++
	case "skipped":
		n.Skipped++
	case "todo":
		n.Todo++
	}
}

// jsonReporter writes one document.
type jsonReporter struct {
	t     *terminal
	files []jsonTests
	testCounts
}

// jsonTests is a file: its tests, and the receipt of the invocation that ran
// them.
type jsonTests struct {
	File    string          `json:"file"`
	Tests   []testEntry     `json:"tests"`
	Receipt *client.Receipt `json:"receipt,omitempty"` // none when it could not be built
}

func (r *jsonReporter) file(run *testRun) {
	f := jsonTests{File: run.file, Tests: []testEntry{}, Receipt: run.receipt}
	for _, e := range run.entries {
		r.add(e)
		f.Tests = append(f.Tests, e)
	}
	r.files = append(r.files, f)
}

func (r *jsonReporter) end(took time.Duration) (bool, error) {
	return r.Failed > 0, r.t.document(struct {
		testCounts
		MS    float64     `json:"ms"`
		Files []jsonTests `json:"files"`
	}{r.testCounts, millis(took), r.files})
}

// tapReporter writes the Test Anything Protocol, version 14.
type tapReporter struct {
	t *terminal
	n int
	testCounts
}

func (r *tapReporter) file(run *testRun) {
	r.t.printf("# %s", clean(true, run.file))
	for _, e := range run.entries {
		if e.Outcome == "" {
			for line := range strings.Lines(clean(true, e.Log)) {
				r.t.printf("# %s: %s", e.Level, strings.TrimRight(line, "\n"))
			}
			continue
		}
		r.n++
		r.add(e)
		word, directive := "ok", ""
		switch e.Outcome {
		case "failed":
			word = "not ok"
		case "skipped":
			directive = strings.TrimRight(" # SKIP "+oneLine(e.Reason), " ")
		case "todo":
			directive = strings.TrimRight(" # TODO "+oneLine(e.Reason), " ")
		}
		name := strings.NewReplacer(`\`, `\\`, "#", `\#`).Replace(oneLine(strings.Join(e.Path, " > ")))
		r.t.printf("%s %d - %s%s", word, r.n, name, directive)
		if e.Error == nil {
			continue
		}
		r.t.printf("  ---\n  message: %s", strconv.Quote(clean(true, e.Error.String())))
		if e.Place != "" {
			r.t.printf("  at: %s", strconv.Quote(clean(true, e.Place)))
		}
		for label, v := range map[string]*string{"expected": e.Error.Expected, "actual": e.Error.Actual} {
			if v != nil {
				r.t.printf("  %s: |-\n    %s", label, strings.ReplaceAll(clean(true, *v), "\n", "\n    "))
			}
		}
		if e.Error.Stack != "" {
			r.t.printf("  stack: |-\n    %s", strings.ReplaceAll(clean(true, e.Error.Stack), "\n", "\n    "))
		}
		r.t.printf("  ...")
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(true, s)), " ") }

func (r *tapReporter) end(time.Duration) (bool, error) {
	r.t.printf("1..%d", r.n)
	return r.Failed > 0, nil
}

// junitReporter writes the XML that continuous-integration servers read.
type junitReporter struct {
	t      *terminal
	suites []junitSuite
	testCounts
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
	Out      string      `xml:"system-out,omitempty"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr,omitempty"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr,omitempty"`
}

func (r *junitReporter) file(run *testRun) {
	s := junitSuite{Name: run.file}
	total := 0.0
	for _, e := range run.entries {
		if e.Outcome == "" {
			s.Out += "[" + e.Level + "] " + e.Log + "\n"
			continue
		}
		r.add(e)
		total += e.MS
		file, _, _ := strings.Cut(e.Place, ":")
		c := junitCase{Name: strings.Join(e.Path, " > "), Class: strings.TrimSuffix(filepath.ToSlash(run.file), filepath.Ext(run.file)), File: file, Time: seconds(e.MS)}
		s.Tests++
		switch e.Outcome {
		case "failed":
			s.Failures++
			c.Failure = &junitFailure{Message: e.Error.Message, Type: e.Error.Name, Text: strings.Join(diffLines(e.Error), "\n") + "\n" + e.Error.Stack}
		case "skipped", "todo":
			s.Skipped++
			c.Skipped = &junitSkipped{Message: orText(e.Reason, e.Outcome)}
		}
		s.Cases = append(s.Cases, c)
	}
	s.Time = seconds(total)
	r.suites = append(r.suites, s)
}

func seconds(ms float64) string { return strconv.FormatFloat(ms/1000, 'f', 4, 64) }

func (r *junitReporter) end(took time.Duration) (bool, error) {
	out, err := xml.MarshalIndent(struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}{Tests: r.Passed + r.Failed + r.Skipped + r.Todo, Failures: r.Failed, Time: seconds(millis(took)), Suites: r.suites}, "", "  ")
	if err != nil {
		return true, fmt.Errorf("write the report: %w", err)
	}
	r.t.printf("%s%s", xml.Header, clean(r.t.outTTY, string(out)))
	return r.Failed > 0, nil
}
