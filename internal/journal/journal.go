// Package journal keeps what functions logged lately, and how their invocations
// failed, in memory: a bounded number of lines of each function, and live to
// whoever follows.
//
// It runs in the supervisor. Adding a line never waits for a reader. What
// tenants chose in an entry is clipped before it gets here; whoever shows one to
// a terminal has to see to the control characters in it.
package journal

import (
	"cmp"
	"container/list"
	"context"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/fanout"
)

// What is kept. Older lines go first; of functions, the ones that have been
// silent for longest.
const (
	MaxLines = 1000      // of one function
	MaxBytes = 256 << 10 // of one function
	maxTotal = 32 << 20  // bytes, of all functions
	// overhead is what an entry takes beside its message, in bytes, roughly.
	overhead = 256
)

// Entry is one line.
type Entry struct {
	Time       time.Time `json:"time"`
	Tenant     string    `json:"tenant"`
	Function   string    `json:"function"`
	Version    string    `json:"version,omitempty"`
	Invocation string    `json:"invocation"`
	// Trace is the id of the trace that the invocation is part of, if any.
	Trace string `json:"trace,omitempty"`
	// Level is "debug", "info", "warn" or "error".
	Level   string `json:"level"`
	Message string `json:"message"`
	// Outcome is set where the line is not the function's own, but tells how
	// its invocation ended: "exception", "deadline".
	Outcome string `json:"outcome,omitempty"`
	// Lost is how many lines before this one a follower missed.
	Lost uint64 `json:"lost,omitempty"`

	number uint64
}

// Filter chooses entries.
type Filter struct {
	Tenant, Function string         // "" for all
	Level            slog.Level     // and above
	Outcome          string         // "" for all; "failed" for all lines that tell of a failure
	Since            time.Time      // of the past: no older ones
	Tail             int            // of the past: the last so many; negative for all there are
	Grep             *regexp.Regexp // the message matches it; nil for all
	// Follow goes on with what is added from now on.
	Follow bool
}

// chooses is the part of Filter that is cheap enough for the one who adds.
func (f *Filter) chooses(e *Entry) bool {
	return (f.Tenant == "" || f.Tenant == e.Tenant) && (f.Function == "" || f.Function == e.Function) && Severity(e.Level) >= f.Level &&
		(f.Outcome == "" || f.Outcome == e.Outcome || f.Outcome == "failed" && e.Outcome != "")
}

func (f *Filter) greps(e *Entry) bool { return f.Grep == nil || f.Grep.MatchString(e.Message) }

// Severity is the number of a level's name.
func Severity(level string) slog.Level {
	switch level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// LevelName is the name of a level.
func LevelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// Journal keeps entries. Its methods may be called from many goroutines.
type Journal struct {
	hub fanout.Hub[*Entry]

	// Guarded by the hub's lock: see Show and Follow.
	functions map[key]*list.Element // of *function
	order     *list.List            // by the time of the last entry, the oldest first
	bytes     int
	number    uint64
}

type key struct{ tenant, function string }

// function is what is kept of one.
type function struct {
	key
	entries []*Entry
	bytes   int
}

// New makes a Journal. The caller closes it.
func New() *Journal {
	return &Journal{functions: make(map[key]*list.Element), order: list.New()}
}

// Add keeps an entry, which must not change any more, and shows it.
func (j *Journal) Add(e *Entry) {
	j.hub.Show(e, func() { j.keep(e) })
}

func size(e *Entry) int { return len(e.Message) + overhead }

func (j *Journal) keep(e *Entry) {
	j.number++
	e.number = j.number
	k := key{e.Tenant, e.Function}
	element := j.functions[k]
	if element == nil {
		element = j.order.PushBack(&function{key: k})
		j.functions[k] = element
	}
	j.order.MoveToBack(element)
	f := element.Value.(*function)
	f.entries = append(f.entries, e)
	j.grow(f, size(e))
	for len(f.entries) > MaxLines || f.bytes > MaxBytes {
		j.grow(f, -size(f.entries[0]))
		f.entries[0] = nil
		f.entries = f.entries[1:]
	}
	for j.bytes > maxTotal {
		j.drop(j.order.Front())
	}
}

func (j *Journal) grow(f *function, by int) {
	f.bytes += by
	j.bytes += by
}

func (j *Journal) drop(element *list.Element) {
	f := j.order.Remove(element).(*function)
	delete(j.functions, f.key)
	j.bytes -= f.bytes
}

// Forget drops what is kept of a tenant's function, or of all of them where
// function is "".
func (j *Journal) Forget(tenant, function string) {
	j.hub.Locked(func() {
		for k, element := range j.functions {
			if k.tenant == tenant && (function == "" || k.function == function) {
				j.drop(element)
			}
		}
	})
}

// Read calls do with the entries of the past that f chooses, the oldest first,
// and, if f follows, with those that come, until ctx ends or the journal is
// closed. begun, if not nil, is called when it is certain that there will be no
// error but do's.
func (j *Journal) Read(ctx context.Context, f Filter, begun func(), do func(*Entry) error) error {
	var past []*Entry
	collect := func() { past = j.past(&f) }
	if !f.Follow {
		j.hub.Locked(collect)
		return tell(&f, past, begun, do)
	}
	first := func() error { return tell(&f, past, begun, do) }
	return j.hub.Follow(ctx, f.chooses, collect, first, func(e *Entry, lost uint64) error {
		if lost > 0 {
			if err := do(&Entry{Time: e.Time, Lost: lost}); err != nil {
				return err
			}
		}
		if !f.greps(e) {
			return nil
		}
		return do(e)
	})
}

// past returns what f chooses of what is kept, save for Grep and Tail.
func (j *Journal) past(f *Filter) (found []*Entry) {
	for k, element := range j.functions {
		if f.Tenant != "" && k.tenant != f.Tenant || f.Function != "" && k.function != f.Function {
			continue
		}
		for _, e := range element.Value.(*function).entries {
			if f.chooses(e) && !e.Time.Before(f.Since) {
				found = append(found, e)
			}
		}
	}
	return found
}

func tell(f *Filter, past []*Entry, begun func(), do func(*Entry) error) error {
	if begun != nil {
		begun()
	}
	past = slices.DeleteFunc(past, func(e *Entry) bool { return !f.greps(e) })
	slices.SortFunc(past, func(a, b *Entry) int { return cmp.Compare(a.number, b.number) })
	if f.Tail >= 0 && len(past) > f.Tail {
		past = past[len(past)-f.Tail:]
	}
	for _, e := range past {
		if err := do(e); err != nil {
			return err
		}
	}
	return nil
}

// Close ends those who follow.
func (j *Journal) Close() { j.hub.Close() }
