package sandbox

import (
	"encoding/binary"
	"errors"
	"time"
)

// A course is what an invocation saw of time, and the order in which it was told
// of what happened: the moment of its start, in microseconds since 1970, and
// then records. Each is a number whose lowest two bits say what it is.
const (
	wasLater  = iota // the clock was read; it had gone on by so many steps
	wasSame          // the clock was read so many times more, and had not gone on
	wasAnswer        // the host call of this number was answered
	wasTimer         // the timer of this number went off
)

const (
	// clockStep is what a recorded invocation's clock goes on by.
	clockStep = 100 * time.Microsecond
	maxCourse = 256 << 10
)

// clock is what a recorded, or a repeated, invocation sees of time. A nil clock
// is the machine's.
type clock struct {
	start  time.Time
	offset time.Duration // at the last look

	// Of a recorded one.
	course []byte
	same   uint64
	full   bool

	// Of a repeated one.
	repeats bool
	lost    bool // it has left the course
	rest    []byte
}

var errCourse = errors.New("the course cannot be read")

// followCourse makes the clock of an invocation that takes a course again.
func followCourse(course []byte) (*clock, error) {
	start, n := binary.Varint(course)
	if n <= 0 || len(course) > maxCourse+binary.MaxVarintLen64 {
		return nil, errCourse
	}
	for rest := course[n:]; len(rest) > 0; {
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return nil, errCourse
		}
		rest = rest[n:]
	}
	return &clock{start: time.UnixMicro(start), repeats: true, rest: course[n:]}, nil
}

func (c *clock) begin(start time.Time) {
	if c.repeats {
		return
	}
	c.start = start.Truncate(time.Microsecond)
	c.course = binary.AppendVarint(nil, c.start.UnixMicro())
}

// follows tells whether the invocation takes a course again.
func (c *clock) follows() bool { return c != nil && c.repeats }

func (c *clock) add(kind int, n uint64) {
	if len(c.course) > maxCourse {
		c.full = true
		return
	}
	c.course = binary.AppendUvarint(c.course, n<<2|uint64(kind))
}

// note records what the invocation is told of.
func (c *clock) note(kind int, n uint64) {
	if c == nil || c.repeats {
		return
	}
	c.flush()
	c.add(kind, n)
}

func (c *clock) flush() {
	if c.same > 0 {
		c.add(wasSame, c.same)
		c.same = 0
	}
}

// report returns the course; nothing when it is too long, or was given.
func (c *clock) report() []byte {
	if c.repeats {
		return nil
	}
	c.flush()
	if c.full {
		return nil
	}
	return c.course
}

// now is what JavaScript sees.
func (c *clock) now() time.Time {
	if c.repeats {
		c.again()
		return c.start.Add(c.offset)
	}
	offset := time.Since(c.start).Truncate(clockStep)
	if steps := uint64(max(offset-c.offset, 0) / clockStep); steps == 0 {
		c.same++
	} else {
		c.flush()
		c.add(wasLater, steps)
		c.offset = offset
	}
	return c.start.Add(c.offset)
}

// timerNow is when a timer is started: that is no look at the clock.
func (c *clock) timerNow() time.Time {
	if c.follows() {
		return c.start.Add(c.offset)
	}
	return time.Now()
}

// peek reads the next record.
func (c *clock) peek() (kind int, n uint64, size int) {
	if len(c.rest) == 0 {
		return -1, 0, 0
	}
	v, size := binary.Uvarint(c.rest)
	return int(v & 3), v >> 2, size
}

// again takes one look at the clock off the course. Where there were fewer, time
// stands still.
func (c *clock) again() {
	if c.same > 0 {
		c.same--
		return
	}
	if c.lost {
		return
	}
	switch kind, n, size := c.peek(); kind {
	case wasLater:
		c.rest = c.rest[size:]
		c.pass(n)
	case wasSame:
		c.rest = c.rest[size:]
		c.same = max(n, 1) - 1
	}
}

func (c *clock) pass(steps uint64) {
	c.offset += time.Duration(min(steps, uint64(24*time.Hour/clockStep))) * clockStep
}

// next returns what the invocation was told of next; ok is false when there is
// nothing more, or it has left the course.
func (c *clock) next() (kind int, n uint64, ok bool) {
	c.same = 0
	for !c.lost {
		kind, n, size := c.peek()
		if kind < 0 {
			break
		}
		c.rest = c.rest[size:]
		switch kind {
		case wasLater:
			c.pass(n)
		case wasAnswer, wasTimer:
			return kind, n, true
		}
	}
	c.lost = true
	return 0, 0, false
}
