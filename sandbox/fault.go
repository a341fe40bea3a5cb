package sandbox

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// loadError is a fault of the code.
type loadError struct {
	outcome outcome.Outcome
	problem *sandboxpb.Problem
}

func (e *loadError) Error() string { return e.problem.GetReason() }

func codeProblem(o outcome.Outcome, format string, args ...any) *loadError {
	return &loadError{o, &sandboxpb.Problem{Field: "code", Reason: fmt.Sprintf(format, args...)}}
}

func tooSmall(req *sandboxpb.LoadRequest, base uint64) *loadError {
	return &loadError{outcome.Invalid, &sandboxpb.Problem{
		Field:  "memory",
		Reason: fmt.Sprintf("%d bytes are too few: the engine alone takes %d and a stack of %d", req.GetMemory(), base, minStack),
	}}
}

// place finds where in the user's source an exception arose: the first frame
// of its stack that is in the file.
var place = regexp.MustCompile(`([^\s()]+):([0-9]{1,9}):([0-9]{1,9})`)

func (l *loader) exception(err error) error {
	e, _ := asException(err)
	t := describe(l.inst, l.base.bridge, e)
	t.unshift(l.file, l.done.shifted)
	o, reason := outcome.Exception, t.Name+": "+t.Message
	if t.Name == "SyntaxError" || strings.HasPrefix(t.Message, "could not load module") {
		o = outcome.Invalid
	}
	if name, ok := strings.CutPrefix(t.Message, "could not load module "); ok {
		reason = "cannot import " + name + ": a function is one file; bundle what it imports"
	}
	out := codeProblem(o, "%s", strings.ToValidUTF8(reason, "\uFFFD"))
	for _, m := range place.FindAllStringSubmatch(t.Stack, -1) {
		if m[1] != l.file {
			continue
		}
		line, _ := strconv.ParseUint(m[2], 10, 32)
		column, _ := strconv.ParseUint(m[3], 10, 32)
		out.problem.Line, out.problem.Column = uint32(line), uint32(column)
		break
	}
	return out
}

// unshift moves the columns of line 1 back to where the user's source has
// them.
func unshift(stack, file string, shifted bool) string {
	if !shifted {
		return stack
	}
	prefix := file + ":1:"
	var out strings.Builder
	for {
		before, after, found := strings.Cut(stack, prefix)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		digits := 0
		for digits < len(after) && digits < 9 && after[digits] >= '0' && after[digits] <= '9' {
			digits++
		}
		column, _ := strconv.Atoi(after[:digits])
		out.WriteString(prefix + strconv.Itoa(max(column-1, 1)))
		stack = after[digits:]
	}
}
