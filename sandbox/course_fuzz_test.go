package sandbox

import (
	"testing"
	"time"
)

// Whatever a course says, reading it ends, and time does not run backwards.
func FuzzCourse(f *testing.F) {
	c := &clock{}
	c.begin(time.Now())
	for n := range 5 {
		c.now()
		c.note(wasAnswer, uint64(n+1))
		c.note(wasTimer, uint64(n))
	}
	f.Add(c.report())
	f.Add([]byte{0x80})
	f.Add([]byte{0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, course []byte) {
		c, err := followCourse(course)
		if err != nil {
			return
		}
		last := c.start
		for range 2*len(course) + 2 {
			now := c.now()
			if now.Before(last) {
				t.Fatalf("%v comes after %v", now, last)
			}
			last = now
			c.next()
		}
		if _, _, more := c.next(); more {
			t.Error("it does not end")
		}
	})
}
