package sandbox

import (
	"container/heap"
	"time"
)

// maxTimers bounds the timers that an invocation has at once.
const maxTimers = 10_000

// timers are the timers of one invocation, soonest first; of those due at the
// same time the oldest.
type timers struct {
	queue timerQueue
	byID  map[int32]*timerEntry
	last  uint64
}

type timerEntry struct {
	id     int32
	due    time.Time
	order  uint64
	repeat time.Duration // 0 for once
	index  int
}

// add starts a timer; false means that there are too many.
func (t *timers) add(id int32, delay time.Duration, repeat bool, now time.Time) bool {
	if len(t.queue) >= maxTimers || t.byID[id] != nil {
		return false
	}
	if t.byID == nil {
		t.byID = make(map[int32]*timerEntry)
	}
	t.last++
	e := &timerEntry{id: id, due: now.Add(delay), order: t.last}
	if repeat {
		e.repeat = delay
	}
	t.byID[id] = e
	heap.Push(&t.queue, e)
	return true
}

func (t *timers) remove(id int32) {
	if e := t.byID[id]; e != nil {
		heap.Remove(&t.queue, e.index)
		delete(t.byID, id)
	}
}

// next returns when the soonest timer is due.
func (t *timers) next() (time.Time, bool) {
	if len(t.queue) == 0 {
		return time.Time{}, false
	}
	return t.queue[0].due, true
}

// take returns the id of a timer that is due, if one is, and starts it again
// if it repeats.
func (t *timers) take(now time.Time) (int32, bool) {
	if len(t.queue) == 0 || t.queue[0].due.After(now) {
		return 0, false
	}
	e := t.queue[0]
	t.again(e, now)
	return e.id, true
}

// takeByID is take for a timer that goes off when it is told to.
func (t *timers) takeByID(id int32) {
	if e := t.byID[id]; e != nil {
		t.again(e, e.due)
	}
}

// again starts a timer that goes off again, if it repeats.
func (t *timers) again(e *timerEntry, now time.Time) {
	if e.repeat == 0 {
		t.remove(e.id)
		return
	}
	t.last++
	e.due, e.order = now.Add(e.repeat), t.last
	heap.Fix(&t.queue, e.index)
}

type timerQueue []*timerEntry

func (q timerQueue) Len() int { return len(q) }

func (q timerQueue) Less(a, b int) bool {
	if q[a].due.Equal(q[b].due) {
		return q[a].order < q[b].order
	}
	return q[a].due.Before(q[b].due)
}

func (q timerQueue) Swap(a, b int) {
	q[a], q[b] = q[b], q[a]
	q[a].index, q[b].index = a, b
}

func (q *timerQueue) Push(x any) {
	e := x.(*timerEntry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *timerQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}
