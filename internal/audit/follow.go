package audit

import "context"

// followerQueue is how many lines wait for a follower who is slow.
const followerQueue = 1024

// follower is one who reads along.
type follower struct {
	filter Filter
	lines  chan []byte
	missed uint64 // guarded by Log.mu
}

// Follow calls line with every entry that f chooses and that is recorded from
// now on: one JSON object with a newline behind it. It returns when ctx ends,
// when the log is closed, or with line's error. Entries that come faster than
// line takes them are left out, and an entry with their number as Lost stands
// in their place.
func (l *Log) Follow(ctx context.Context, f Filter, line func([]byte) error) error {
	me := &follower{filter: f, lines: make(chan []byte, followerQueue)}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.followers[me] = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.followers, me)
		l.mu.Unlock()
	}()
	for {
		select {
		case text, ok := <-me.lines:
			if !ok {
				return nil
			}
			if err := line(text); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// show hands a line to the followers that want it.
func (l *Log) show(e *Entry, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.followers {
		if e.Lost == 0 && !f.filter.match(e) {
			continue
		}
		if f.missed > 0 {
			select {
			case f.lines <- lostLine(e, f.missed):
				f.missed = 0
			default:
			}
		}
		select {
		case f.lines <- line:
		default:
			f.missed++
		}
	}
}

func (l *Log) endFollowers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.followers {
		close(f.lines)
	}
	clear(l.followers)
}
