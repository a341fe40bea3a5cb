package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/value"
)

// The largest that anything between the processes may be, in bytes where
// nothing else is said.
const (
	// MaxFrame is a whole message; a larger one ends the connection.
	MaxFrame = 6<<20 + 128<<10
	// MaxEvent is an invocation's event.
	MaxEvent = 1 << 20
	// MaxResult is what an invocation returns.
	MaxResult = 1 << 20
	// MaxArgs is a host call's arguments.
	MaxArgs = 1 << 20
	// MaxHostValue is what a host call returns: a fetched body of 4 MiB fits,
	// as base64 and with its headers.
	MaxHostValue = 6 << 20
	// MaxLogMessage is one line of log; a longer one is clipped.
	MaxLogMessage = 16 << 10
	// MaxLogLines and MaxLogBytes are an invocation's log: see LogRoom.
	MaxLogLines = 1000
	MaxLogBytes = 256 << 10
	// MaxName is the name of an API, of a level and the like.
	MaxName = 128
	// MaxDetail is a sentence; a longer one is clipped.
	MaxDetail = 1 << 10
	// MaxProblems is the number of faults in a LoadResponse.
	MaxProblems = 100
	// MaxSnapshot is an encoded Snapshot, and MaxSnapshotPart a part of its
	// memory.
	MaxSnapshot     = 1 << 20
	MaxSnapshotPart = 1 << 20
	// FingerprintLen is the length of AssignResponse.fingerprint.
	FingerprintLen = 32

	maxExceptionMessage = 8 << 10
	maxExceptionStack   = 16 << 10
	maxExceptionCauses  = 8
	maxExceptionErrors  = 32
	maxProperties       = 16 << 10
	maxLoadLogs         = 1000
)

// A Violation is a frame that no sandbox of ours would send: the process that
// sent it is compromised, or broken, and must not be spoken to again.
type Violation struct {
	// Frame is the frame's name, "HostCall".
	Frame  string
	Reason string
}

func (v *Violation) Error() string { return v.Frame + " frame: " + v.Reason }

func violationf(frame, format string, args ...any) *Violation {
	return &Violation{Frame: frame, Reason: fmt.Sprintf(format, args...)}
}

// CheckHostCall checks a host call's form and returns the JSON form of each of
// its arguments. A refusal means that the call is in order but cannot be
// served: it is to be answered with that exception.
func CheckHostCall(c *sandboxpb.HostCall) (args []json.RawMessage, refusal *sandboxpb.Exception, err error) {
	if c.GetApi() == "" || len(c.GetApi()) > MaxName {
		return nil, nil, violationf("HostCall", "the API's name has %d bytes", len(c.GetApi()))
	}
	if len(c.GetArgs()) > MaxArgs {
		return nil, NewException("RangeError", fmt.Sprintf("the arguments of %s are over %d bytes", c.GetApi(), MaxArgs), nil), nil
	}
	if !utf8.Valid(c.GetArgs()) {
		return nil, nil, violationf("HostCall", "the arguments are not UTF-8")
	}
	args, err = value.Elements(c.GetArgs())
	switch {
	case errors.Is(err, value.ErrCircular):
		return nil, NewException("TypeError", "an argument of "+c.GetApi()+" contains itself", nil), nil
	case errors.Is(err, value.ErrLimit):
		return nil, NewException("RangeError", "the arguments of "+c.GetApi()+" are too large as JSON", nil), nil
	case err != nil:
		return nil, nil, violationf("HostCall", "the arguments are not an array of values")
	}
	return args, nil, nil
}

// CheckLog checks a line of log and clips its message to MaxLogMessage.
func CheckLog(l *sandboxpb.Log) (level, message string, err error) {
	switch l.GetLevel() {
	case "debug", "info", "warn", "error":
	default:
		return "", "", violationf("Log", "unknown level %q", Clip(l.GetLevel(), 16))
	}
	return l.GetLevel(), Clip(l.GetMessage(), MaxLogMessage), nil
}

// LogRoom is what an invocation's log has taken of the room that it has. The
// sandbox sends no line for which there is none, and the supervisor takes none.
type LogRoom struct{ lines, bytes int }

// Full reports whether there is no room for any line.
func (r *LogRoom) Full() bool { return r.lines >= MaxLogLines }

// Take takes room for a line, whose message is clipped already, if there is any.
func (r *LogRoom) Take(message string) bool {
	if r.Full() || r.bytes+len(message) > MaxLogBytes {
		return false
	}
	r.lines++
	r.bytes += len(message)
	return true
}

// CheckResult checks an invocation's result: its outcome is one that a sandbox
// may report, its value is in order. The returned outcome is Output, whatever the
// sandbox says, when the value is over limit.
func CheckResult(r *sandboxpb.Result, limit int) (outcome.Outcome, error) {
	o, err := reportable("Result", r.GetOutcome())
	if err != nil {
		return 0, err
	}
	if o != outcome.OK {
		return o, nil
	}
	if len(r.GetValue()) > limit {
		return outcome.Output, nil
	}
	if w := value.Wire(r.GetValue()); w.IsJSON() {
		if !utf8.Valid(w) || !json.Valid(w) {
			return 0, violationf("Result", "the value is not JSON")
		}
	} else if _, err := value.Decode(w); err != nil {
		return 0, violationf("Result", "the value cannot be read")
	}
	return o, nil
}

// CheckAnswer is CheckResult for the invocation of an HTTP request, whose value is
// its answer: the status, a name and a value for each header and an empty line, each
// ended by a newline, and then the body. That form is checked by whoever reads it.
func CheckAnswer(r *sandboxpb.Result, limit int) (outcome.Outcome, error) {
	o, err := reportable("Result", r.GetOutcome())
	if err == nil && o == outcome.OK && len(r.GetValue()) > limit {
		o = outcome.Output
	}
	return o, err
}

// CheckAssign checks the answer to an Assign. It returns the fingerprint, which
// is fit to be part of a file's name, or empty.
func CheckAssign(r *sandboxpb.AssignResponse) (string, error) {
	f := r.GetFingerprint()
	if f == "" {
		return "", nil
	}
	if len(f) != FingerprintLen || strings.Trim(f, "0123456789abcdef") != "" {
		return "", violationf("AssignResponse", "the fingerprint is not %d hexadecimal digits", FingerprintLen)
	}
	return f, nil
}

// CheckRefusal tells whether the answer to a Load with a snapshot is that the
// source has to be sent, and why.
func CheckRefusal(r *sandboxpb.LoadResponse) (reason string, refused bool) {
	return Clip(r.GetRefusal(), MaxDetail), r.GetRefusal() != ""
}

// SnapshotCheck checks the parts of an exported snapshot, in their order: one
// that describes it, then its memory, in parts of MaxSnapshotPart bytes but for
// the last.
type SnapshotCheck struct {
	// Room is how many bytes of memory may come.
	Room int64

	described, started, ended bool
}

// Part checks the next part.
func (c *SnapshotCheck) Part(p *sandboxpb.SnapshotPart) error {
	snapshot, memory := len(p.GetSnapshot()), len(p.GetMemory())
	switch {
	case !c.described:
		if snapshot == 0 || snapshot > MaxSnapshot || memory > 0 {
			return violationf("SnapshotPart", "the first has %d bytes of description and %d of memory", snapshot, memory)
		}
		c.described = true
		return nil
	case snapshot > 0 || memory == 0 || memory > MaxSnapshotPart || c.ended:
		return violationf("SnapshotPart", "it has %d bytes of description and %d of memory", snapshot, memory)
	case int64(memory) > c.Room:
		return violationf("SnapshotPart", "the snapshot is larger than the function's memory")
	}
	c.Room -= int64(memory)
	c.started, c.ended = true, memory < MaxSnapshotPart
	return nil
}

// End checks that nothing is missing.
func (c *SnapshotCheck) End() error {
	if !c.started {
		return violationf("SnapshotPart", "the snapshot has no memory")
	}
	return nil
}

// CheckLoad checks the answer to a Load. The outcome is OK when the version is
// loaded.
func CheckLoad(r *sandboxpb.LoadResponse) (outcome.Outcome, error) {
	o, err := reportable("LoadResponse", r.GetOutcome())
	if err != nil {
		return 0, err
	}
	if n := len(r.GetProblems()); n > MaxProblems {
		return 0, violationf("LoadResponse", "%d problems", n)
	}
	if n := len(r.GetLogs()); n > maxLoadLogs {
		return 0, violationf("LoadResponse", "%d lines of log", n)
	}
	if o == outcome.OK && len(r.GetProblems()) > 0 {
		return 0, violationf("LoadResponse", "loaded, with problems")
	}
	if o == outcome.OK && r.GetShape() == sandboxpb.Shape_SHAPE_UNSPECIFIED {
		return 0, violationf("LoadResponse", "loaded, without a shape")
	}
	if _, known := sandboxpb.Shape_name[int32(r.GetShape())]; !known {
		return 0, violationf("LoadResponse", "unknown shape %d", r.GetShape())
	}
	return o, nil
}

// reportable reports whether a sandbox can know of an outcome: what the
// supervisor alone decides (Policy, Overloaded, ...) it cannot.
func reportable(frame string, number uint32) (outcome.Outcome, error) {
	if number > 0xff {
		return 0, violationf(frame, "unknown outcome %d", number)
	}
	switch o := outcome.Outcome(number); o {
	case outcome.OK, outcome.Exception, outcome.Deadline, outcome.CPU, outcome.Memory, outcome.Output,
		outcome.Canceled, outcome.Crashed, outcome.Internal, outcome.Invalid:
		return o, nil
	default:
		return 0, violationf(frame, "outcome %d (%v) is not a sandbox's to report", number, o)
	}
}

// Problems copies what a LoadResponse found fault with, clipped.
func Problems(from []*sandboxpb.Problem) []outcome.Problem {
	problems := make([]outcome.Problem, 0, min(len(from), MaxProblems))
	for _, p := range from[:min(len(from), MaxProblems)] {
		problems = append(problems, outcome.Problem{
			Field:  Clip(p.GetField(), MaxName),
			Reason: Clip(p.GetReason(), MaxDetail),
			Line:   int(p.GetLine()),
			Column: int(p.GetColumn()),
		})
	}
	return problems
}

// Thrown copies an exception that came from a sandbox, clipped: so many causes
// deep, and so many errors in all. It returns nil for nil.
func Thrown(e *sandboxpb.Exception) *outcome.Thrown {
	room := maxExceptionErrors
	return thrown(e, maxExceptionCauses, &room)
}

func thrown(e *sandboxpb.Exception, causes int, room *int) *outcome.Thrown {
	if e == nil || *room == 0 {
		return nil
	}
	*room--
	t := &outcome.Thrown{
		Name:    Clip(e.GetName(), MaxName),
		Message: Clip(e.GetMessage(), maxExceptionMessage),
		Stack:   Clip(e.GetStack(), maxExceptionStack),
	}
	if p := e.GetProperties(); len(p) <= maxProperties && utf8.Valid(p) && json.Valid(p) && bytes.HasPrefix(p, []byte("{")) {
		t.Properties = bytes.Clone(p)
	}
	if causes == 0 {
		return t
	}
	t.Cause = thrown(e.GetCause(), causes-1, room)
	for _, inner := range e.GetErrors() {
		if made := thrown(inner, causes-1, room); made != nil {
			t.Errors = append(t.Errors, made)
		}
	}
	return t
}

// NewException makes the exception that a host call ends with. Properties that
// cannot be encoded, or are too large, are left out.
func NewException(name, message string, properties map[string]any) *sandboxpb.Exception {
	e := &sandboxpb.Exception{Name: Clip(name, MaxName), Message: Clip(message, maxExceptionMessage)}
	if len(properties) > 0 {
		if raw, err := json.Marshal(properties); err == nil && len(raw) <= maxProperties {
			e.Properties = raw
		}
	}
	return e
}

// Clip cuts s to at most limit bytes of valid UTF-8, and marks the cut.
func Clip(s string, limit int) string {
	const mark = "..."
	if len(s) <= limit {
		return strings.ToValidUTF8(s, "?")
	}
	cut := max(limit-len(mark), 0)
	for i := 0; i < utf8.UTFMax-1 && cut > 0 && !utf8.RuneStart(s[cut]); i++ {
		cut-- // not in the middle of a rune
	}
	return strings.ToValidUTF8(s[:cut], "?") + mark[:min(limit, len(mark))]
}
