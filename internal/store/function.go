package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Live is the alias of the version that is invoked when none is asked for.
const Live = "live"

const (
	// MaxAliases is how many a function may have, Live included.
	MaxAliases = 16
	// MaxHistory is how many changes a function's record keeps.
	MaxHistory = 20
)

// Function is what is served under a function's name. Once it is read it is not
// to be changed: others read it too.
type Function struct {
	Tenant, Function string
	// Aliases are names of versions.
	Aliases map[string]string
	// Split shares out the invocations that ask for Live; nil: all go to the
	// version of that alias.
	Split *Split
	// Previous is the version that Live named before the one it names now, ""
	// when there is none.
	Previous string
	// History is what has become of Live, the newest last.
	History []Change
	// Recording, if not nil, is which invocations are recorded.
	Recording *Recording
	// Created and Updated are set by ChangeFunction.
	Created, Updated time.Time

	// Versions are those that there are, the newest first. The store keeps
	// them, in records of their own.
	Versions []*Version

	live, candidate *Version
}

// Split sends a part of the invocations to a candidate.
type Split struct {
	// Candidate is a version, Weight the share that it gets, in percent: 1 to
	// 99.
	Candidate string `json:"candidate"`
	Weight    int    `json:"weight"`
	// Rollback, if not nil, is when the split ends by itself.
	Rollback *RollbackRule `json:"rollback,omitempty"`
	Started  time.Time     `json:"started"`
}

// RollbackRule is how much a candidate may fail.
type RollbackRule struct {
	// Errors is the share of failed invocations, in percent, above which the
	// split ends: 0 to 100.
	Errors float64 `json:"errors"`
	// Min is how many invocations of the candidate within the window are
	// needed for a judgement.
	Min int `json:"min"`
	// Window is how far back invocations count.
	Window time.Duration `json:"window_ns"`
}

// Recording says which invocations of a function are recorded.
type Recording struct {
	// Rate is the part of them: more than 0, at most 1.
	Rate  float64   `json:"rate"`
	Until time.Time `json:"until"`
}

// Change is a change of what is live.
type Change struct {
	At time.Time `json:"at"`
	// What is a word that the supervisor understands, Version what it is about.
	What    string `json:"what"`
	Version string `json:"version,omitempty"`
	// Detail is for people.
	Detail string `json:"detail,omitempty"`
}

// Live returns the version that Live names, or nil.
func (f *Function) Live() *Version { return f.live }

// Candidate returns the version that a split sends a part of the invocations
// to, or nil.
func (f *Function) Candidate() *Version { return f.candidate }

// Version returns the version of a name, or nil.
func (f *Function) Version(name string) *Version {
	for _, v := range f.Versions {
		if v.Version == name {
			return v
		}
	}
	return nil
}

// Named tells whether a version has a name, or a part in what is live.
func (f *Function) Named(version string) bool {
	for _, v := range f.Aliases {
		if v == version {
			return true
		}
	}
	return f.Split != nil && f.Split.Candidate == version
}

// Note adds to the history.
func (f *Function) Note(c Change) {
	if c.At.IsZero() {
		c.At = now()
	}
	f.History = append(f.History, c)
	if n := len(f.History); n > MaxHistory {
		f.History = f.History[n-MaxHistory:]
	}
}

func (f *Function) key() recordKey { return recordKey{tenant: f.Tenant, function: f.Function} }

// clone returns a copy that may be changed, without the versions.
func (f *Function) clone() *Function {
	c := *f
	c.Aliases, c.History = maps.Clone(f.Aliases), slices.Clone(f.History)
	if c.Aliases == nil {
		c.Aliases = map[string]string{}
	}
	if f.Split != nil {
		split := *f.Split
		c.Split = &split
		if split.Rollback != nil {
			rule := *split.Rollback
			c.Split.Rollback = &rule
		}
	}
	if f.Recording != nil {
		recording := *f.Recording
		c.Recording = &recording
	}
	c.Versions, c.live, c.candidate = nil, nil, nil
	return &c
}

type functionRecord struct {
	Format    int               `json:"format"`
	Tenant    string            `json:"tenant"`
	Function  string            `json:"function"`
	Aliases   map[string]string `json:"aliases"`
	Split     *Split            `json:"split,omitempty"`
	Previous  string            `json:"previous,omitempty"`
	History   []Change          `json:"history,omitempty"`
	Recording *Recording        `json:"recording,omitempty"`
	Created   time.Time         `json:"created"`
	Updated   time.Time         `json:"updated"`
}

func (f *Function) check() error {
	if err := firstError(
		checkName("tenant", f.Tenant),
		checkName("function", f.Function),
		checkTime("created", f.Created),
		checkTime("updated", f.Updated)); err != nil {
		return err
	}
	for alias, version := range f.Aliases {
		if err := checkName("alias", alias); err != nil {
			return err
		}
		if !versionForm.MatchString(version) {
			return fmt.Errorf("%w alias %s: %.80q is no version", ErrInvalid, alias, version)
		}
	}
	for _, c := range f.History {
		if err := firstError(checkText("history", c.What), checkText("history", c.Version), checkText("history", c.Detail), checkTime("history", c.At)); err != nil {
			return err
		}
	}
	switch {
	case len(f.Aliases) > MaxAliases:
		return fmt.Errorf("%w aliases: there are %d, the most is %d", ErrInvalid, len(f.Aliases), MaxAliases)
	case len(f.History) > MaxHistory:
		return fmt.Errorf("%w history: %d changes", ErrInvalid, len(f.History))
	case f.Previous != "" && !versionForm.MatchString(f.Previous):
		return fmt.Errorf("%w previous: %.80q is no version", ErrInvalid, f.Previous)
	case f.Recording != nil && !(f.Recording.Rate > 0 && f.Recording.Rate <= 1):
		return fmt.Errorf("%w recording: a rate of %v", ErrInvalid, f.Recording.Rate)
	case f.Recording != nil && checkTime("recording", f.Recording.Until) != nil:
		return checkTime("recording", f.Recording.Until)
	case f.Split != nil:
		return f.Split.check(f.Aliases[Live])
	}
	return nil
}

func (s *Split) check(live string) error {
	r := s.Rollback
	switch {
	case live == "" || !versionForm.MatchString(s.Candidate) || s.Candidate == live:
		return fmt.Errorf("%w split: want two versions, one of them live", ErrInvalid)
	case s.Weight < 1 || s.Weight > 99:
		return fmt.Errorf("%w split: a weight of %d", ErrInvalid, s.Weight)
	case r != nil && (!(r.Errors >= 0 && r.Errors <= 100) || r.Min < 1 || r.Window <= 0):
		return fmt.Errorf("%w split: its rollback", ErrInvalid)
	}
	return checkTime("split", s.Started)
}

func encodeFunction(f *Function) ([]byte, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	return json.Marshal(functionRecord{recordFormat, f.Tenant, f.Function, f.Aliases, f.Split, f.Previous, f.History, f.Recording, f.Created.UTC(), f.Updated.UTC()})
}

func decodeFunction(k recordKey, data []byte) (*Function, error) {
	var r functionRecord
	if err := decode(data, &r); err != nil {
		return nil, err
	}
	f := &Function{Tenant: r.Tenant, Function: r.Function, Aliases: r.Aliases, Split: r.Split, Previous: r.Previous, History: r.History, Recording: r.Recording,
		Created: r.Created.UTC(), Updated: r.Updated.UTC()}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if f.key() != k {
		return nil, fmt.Errorf("%w: it is of function %s/%s", ErrCorrupt, f.Tenant, f.Function)
	}
	return f, nil
}
