package audit

import "context"

// shown is what followers get of an entry.
type shown struct {
	entry *Entry
	line  []byte
}

// Follow calls line with every entry that f chooses and that is recorded from
// now on: one JSON object with a newline behind it. It returns when ctx ends,
// when the log is closed, or with line's error. Entries that come faster than
// line takes them are left out, and an entry with their number as Lost stands
// in their place.
func (l *Log) Follow(ctx context.Context, f Filter, line func([]byte) error) error {
	want := func(s shown) bool { return s.entry.Lost > 0 || f.match(s.entry) }
	return l.followers.Follow(ctx, want, nil, nil, func(s shown, lost uint64) error {
		if lost > 0 {
			if err := line(lostLine(s.entry, lost)); err != nil {
				return err
			}
		}
		return line(s.line)
	})
}
