package outcome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is how every failure that a caller can meet is told. It answers
// errors.Is for context.DeadlineExceeded (Deadline) and context.Canceled
// (Canceled), so that code which knows only the standard library works.
type Error struct {
	Outcome  Outcome
	Tenant   string
	Function string
	// Detail is one sentence: what happened, with the limit's value.
	Detail string
	// Remedy says what the reader can do about it; it may be empty.
	Remedy string
	// Problems lists every fault found in what was sent, when Outcome is
	// Invalid.
	Problems []Problem
	// Exception is what the function threw, when Outcome is Exception, Policy
	// or Memory and there was one.
	Exception *Thrown
	// RetryAfter is how long to wait before another try; 0 when unknown.
	RetryAfter time.Duration
	// Err is the cause, if any. It may hold internals: it is for logs and
	// errors.Is, and is not shown to callers over HTTP.
	Err error
}

// Problem is one fault in source code, in a setting or in a request.
type Problem struct {
	// Field names what is wrong: "code", "memory", "name".
	Field  string `json:"field"`
	Reason string `json:"reason"`
	// File is the source that Line and Column are in, when the code was made
	// of several; "" means the code itself.
	File string `json:"file,omitempty"`
	// Line and Column are counted from 1; 0 when there is no place.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Excerpt is the source line at that place; it may be empty.
	Excerpt string `json:"excerpt,omitempty"`
}

func (p Problem) String() string {
	switch {
	case p.File != "" && p.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Reason)
	case p.File != "":
		return p.File + ": " + p.Reason
	case p.Line > 0:
		return fmt.Sprintf("%s:%d:%d: %s", p.Field, p.Line, p.Column, p.Reason)
	}
	return p.Field + ": " + p.Reason
}

// Thrown is a JavaScript value that a function threw.
type Thrown struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	// Stack holds one frame a line, in the user's own source lines.
	Stack string  `json:"stack,omitempty"`
	Cause *Thrown `json:"cause,omitempty"`
	// Errors are those of an AggregateError.
	Errors []*Thrown `json:"errors,omitempty"`
	// Properties are the error's first own properties, such as code: a JSON
	// object, or empty.
	Properties json.RawMessage `json:"properties,omitempty"`
}

func (e *Thrown) String() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Name + ": " + e.Message
}

// Where names the tenant and function, "tenant/function", as far as known.
func (e *Error) Where() string {
	if e.Function == "" {
		return e.Tenant
	}
	return e.Tenant + "/" + e.Function
}

func (e *Error) Error() string {
	var b strings.Builder
	if where := e.Where(); where != "" {
		b.WriteString(where)
		b.WriteString(": ")
	}
	switch {
	case e.Detail != "":
		b.WriteString(e.Detail)
	case e.Exception != nil:
		b.WriteString(e.Exception.String())
	default:
		b.WriteString(e.Outcome.Title())
	}
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	if e.Remedy != "" {
		b.WriteString(" (")
		b.WriteString(e.Remedy)
		b.WriteString(")")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is work for the two context errors.
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Outcome == Deadline
	case context.Canceled:
		return e.Outcome == Canceled
	}
	return false
}

// Of returns the outcome that err stands for: OK for nil, the Outcome of an
// *Error, Canceled or Deadline for a context's error, otherwise Internal.
func Of(err error) Outcome {
	var e *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &e):
		return e.Outcome
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Deadline
	}
	return Internal
}
