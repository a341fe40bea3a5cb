package main

import (
	"runtime"
	"sync"
)

// serveThreads is how many threads of the kernel a supervisor has from its start:
// more than it was ever seen to want. Waiting for disks takes one each.
const serveThreads = 64

// holdThreads has Go make that many threads, which it never gives back. One that
// it wants later and cannot have, because the machine or the user has as many
// processes and threads as there may be, would end the supervisor; like this,
// only sandboxes do not start.
func holdThreads(n int) {
	var there, done sync.WaitGroup
	there.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			there.Done()
			there.Wait() // so that none serves two of them
		})
	}
	done.Wait()
}
