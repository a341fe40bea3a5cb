package main

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// slice is how long a thread computes before one that has been woken may take its
// processor. An invocation goes from thread to thread four times, and at each it
// may wait for that long beside others that compute. Linux's own is 0.7 ms on one
// processor, and more on more.
const slice = 300 * time.Microsecond

// shortenSlices gives the threads of this process that slice, and so all that they
// will start: further threads, and the sandboxes. Linux has it since 6.12; before,
// and where it is refused, all stays as it is.
func shortenSlices() {
	again := true
	for round := 0; again && round < 10; round++ { // a thread may have been started meanwhile by one that did not have it
		again = false
		tasks, _ := os.ReadDir("/proc/self/task")
		for _, task := range tasks {
			id, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			attr, err := unix.SchedGetAttr(id, 0)
			if err != nil || attr.Policy != unix.SCHED_NORMAL || attr.Runtime == 0 || attr.Runtime == uint64(slice) {
				continue
			}
			attr.Runtime = uint64(slice)
			again = unix.SchedSetAttr(id, attr, 0) == nil || again
		}
	}
}
