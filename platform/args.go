package platform

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bulkhead-run/bulkhead/value"
)

// Text returns argument i, which must be a string of 1 to most bytes of UTF-8.
// A string with lone surrogates is refused: two of them could not be told
// apart. The error is a TypeError that names the argument.
func (c *Call) Text(i int, name string, most int) (string, error) {
	if i >= len(c.Args) {
		return "", TypeErrorf("argument %d (%s) is missing", i+1, name)
	}
	s, ok := text(c.Args[i])
	switch {
	case !ok:
		return "", TypeErrorf("argument %d (%s) must be a string of valid Unicode", i+1, name)
	case s == "":
		return "", TypeErrorf("argument %d (%s) is empty", i+1, name)
	case len(s) > most:
		return "", TypeErrorf("argument %d (%s) has %d bytes; the most is %d", i+1, name, len(s), most)
	}
	return s, nil
}

func text(raw json.RawMessage) (string, bool) {
	n := len(raw)
	if n < 2 || raw[0] != '"' {
		return "", false
	}
	if s := string(raw[1 : n-1]); !strings.Contains(s, `\`) {
		return s, utf8.ValidString(s)
	}
	v, err := value.Decode(value.Wire(raw))
	s, ok := v.(string)
	return s, err == nil && ok && utf8.ValidString(s)
}

// Value returns argument i without loss, at most most bytes of it. The errors
// are TypeErrors that name it: it is missing or undefined, or too large.
func (c *Call) Value(i int, name string, most int) (value.Wire, error) {
	if i >= len(c.Args) {
		return nil, TypeErrorf("argument %d (%s) is missing or undefined", i+1, name)
	}
	w := value.Wire(c.Args[i])
	if !c.Wire.IsJSON() && len(c.Wire) > 0 {
		list, err := c.Values()
		if err != nil || i >= len(list) {
			return nil, TypeErrorf("argument %d (%s) cannot be read", i+1, name)
		}
		if list[i] == value.Undefined {
			return nil, TypeErrorf("argument %d (%s) is missing or undefined", i+1, name)
		}
		if w, err = value.Encode(list[i]); err != nil {
			return nil, TypeErrorf("argument %d (%s) cannot be encoded: %w", i+1, name, err)
		}
	}
	if len(w) > most {
		return nil, TypeErrorf("argument %d (%s) has %d bytes; the most is %d", i+1, name, len(w), most)
	}
	return w, nil
}

// Options decodes argument i, an object, into the struct that v points to.
// Left out, it changes nothing. A member that the struct has no JSON name for,
// one of the wrong type, and one that is null (as NaN is in JSON) are
// TypeErrors that name it.
func (c *Call) Options(i int, name string, v any) error {
	if i >= len(c.Args) || string(c.Args[i]) == "null" {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(c.Args[i], &members); err != nil {
		return TypeErrorf("argument %d (%s) must be an object", i+1, name)
	}
	var known []string
	fields := reflect.TypeOf(v).Elem()
	for n := range fields.NumField() {
		tag, _, _ := strings.Cut(fields.Field(n).Tag.Get("json"), ",")
		known = append(known, tag)
		member, ok := members[tag]
		if !ok {
			continue
		}
		delete(members, tag)
		if string(member) == "null" {
			return TypeErrorf("argument %d (%s): %s has no value", i+1, name, tag)
		}
		if err := json.Unmarshal(member, reflect.ValueOf(v).Elem().Field(n).Addr().Interface()); err != nil {
			return TypeErrorf("argument %d (%s): %s has the wrong type", i+1, name, tag)
		}
	}
	for unknown := range members {
		return TypeErrorf("argument %d (%s): %s is unknown; there are %s", i+1, name, quote(unknown), strings.Join(known, ", "))
	}
	return nil
}

// Seconds turns an option in seconds into a duration. Anything but a number
// from least to most is a TypeError that names the option.
func Seconds(option string, seconds float64, least, most time.Duration) (time.Duration, error) {
	if !(seconds >= least.Seconds() && seconds <= most.Seconds()) {
		return 0, TypeErrorf("%s must be from %v to %v seconds", option, least.Seconds(), most.Seconds())
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// QuotaError is the QuotaExceededError of a full quota: what is counted, its
// limit, and how much of it is used. resets says when there will be room
// again; the zero time means not by itself.
func QuotaError(what string, limit, used int64, resets time.Time) *Error {
	e := Errorf("QuotaExceededError", "%s: %d of %d are used", what, used, limit)
	e.Properties = map[string]any{"limit": limit, "used": used}
	if !resets.IsZero() {
		e.Message += "; there is room again at " + resets.UTC().Format(time.RFC3339)
		e.Properties["resets"] = resets.UnixMilli()
	}
	return e
}

func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}

// PageSize returns how many entries a list may have: what the option limit
// asks for, from 1 to most, or usual when it is left out.
func PageSize(limit *int, usual, most int) (int, error) {
	if limit == nil {
		return usual, nil
	}
	if *limit < 1 || *limit > most {
		return 0, TypeErrorf("limit must be from 1 to %d", most)
	}
	return *limit, nil
}
