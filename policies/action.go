package policies

import (
	"fmt"
	"slices"
)

// Action is what a rule asks for.
type Action uint8

// The actions, from the zero value on.
const (
	// Deny refuses the call: it throws a PermissionError.
	Deny Action = iota
	// Allow lets the call through.
	Allow
	// Audit lets the call through and has it recorded.
	Audit
	// Kill ends the whole invocation.
	Kill
)

var actions = []string{"deny", "allow", "audit", "kill"}

func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// Allows reports whether the call goes on: whether the action is Allow or Audit.
func (a Action) Allows() bool { return a == Allow || a == Audit }

// MarshalText writes the action as policies do.
func (a Action) MarshalText() ([]byte, error) {
	if int(a) >= len(actions) {
		return nil, fmt.Errorf("there is no action %d", uint8(a))
	}
	return []byte(actions[a]), nil
}

// UnmarshalText reads "allow", "deny", "audit" or "kill".
func (a *Action) UnmarshalText(text []byte) error {
	i := slices.Index(actions, string(text))
	if i < 0 {
		return fmt.Errorf("there is no action %s", quote(string(text)))
	}
	*a = Action(i)
	return nil
}

// strictness orders the actions: of two levels' verdicts the stricter counts.
func (a Action) strictness() int {
	switch a {
	case Allow:
		return 0
	case Audit:
		return 1
	case Kill:
		return 3
	}
	return 2
}

// verb is the action in a sentence about a call.
func (a Action) verb() string {
	switch a {
	case Allow:
		return "allows"
	case Audit:
		return "audits"
	case Kill:
		return "kills"
	}
	return "denies"
}
