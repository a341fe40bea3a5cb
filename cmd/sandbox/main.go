// Go would keep its look at the processor quota open, a file of the machine's.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command sandbox is the process in which one tenant's functions run. The
// supervisor starts it and talks to it over a socket; it does nothing by hand.
//
// It trusts nobody, and is trusted by nobody: it holds no secret, asks the
// supervisor for every effect, and once that has connected the kernel refuses it
// everything else (docs/security.md). It ends when its supervisor does, however
// that comes about.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
	"github.com/bulkhead-run/bulkhead/sandbox"
)

// The exit codes. The supervisor reads what is on stderr instead.
const (
	exitByHand  = 2
	exitVersion = 3
	exitStart   = 4
)

// gcPercent is lower than Go's 100: an invocation leaves little garbage, and
// there may be a thousand processes.
const gcPercent = 50

func main() {
	// A tenant computes on one processor at a time, and a process that has but
	// one hands its goroutines over without waking threads.
	runtime.GOMAXPROCS(1)
	// What starting allocates is dropped at once, when all is ready.
	debug.SetGCPercent(-1)
	// Asked for an attempt, the process makes it and ends: it never serves.
	if attempt := escape.Asked(); attempt != nil {
		try(attempt)
	}
	if err := ipc.Check(); errors.Is(err, ipc.ErrByHand) {
		fmt.Fprintf(stderr, "sandbox (%v) is started by the Bulkhead supervisor, one for each tenant; it does nothing by hand.\nTo run a function: supervisor run FILE.js\n", ipc.ThisVersion())
		os.Exit(exitByHand)
	} else if err != nil {
		fail(exitVersion, err)
	}
	confine.SetName("sandbox")
	go dieWithSupervisor()

	server, err := sandbox.New(context.Background(), sandbox.Options{
		CacheDir: os.Getenv(ipc.CacheDirKey),
		Files:    ipc.InheritedFiles(),
	})
	if err != nil {
		fail(exitStart, err)
	}
	debug.SetGCPercent(gcPercent)
	lockdown, err := confine.ParseConfig(os.Getenv(ipc.LockdownKey))
	if err != nil {
		fail(exitStart, err)
	}
	// Nothing is closed afterwards: the process's end frees all there is, and
	// does not wait for a function that computes.
	ipc.Serve(server, func() { lock(lockdown) })
}

// try makes an attempt at an escape in place of serving, locked down as a
// process that serves is. It does not return.
func try(r *escape.Request) {
	go dieWithSupervisor()
	// Where layers are off, the engine may be as well: it stops nothing.
	if len(r.Lockdown.Modes) == 0 {
		if _, err := sandbox.New(context.Background(), sandbox.Options{CacheDir: os.Getenv(ipc.CacheDirKey)}); err != nil {
			r.Fail(err)
		}
	}
	os.Clearenv()
	r.Run(confine.Options{Profile: seccomp.Sandbox})
}

// lock locks the process down, and reports on it. It comes when all is
// compiled, mapped and connected, and before the supervisor's first word.
func lock(c confine.Config) {
	os.Clearenv() // what it said is known
	layers, err := confine.Lock(confine.Options{Profile: seccomp.Sandbox}, c)
	if err == nil {
		err = ipc.SendReport(confine.Report(layers))
	}
	if err != nil {
		fail(exitStart, fmt.Errorf("cannot lock the process down: %w", err))
	}
}

// stderr is kept: serving replaces os.Stderr.
var stderr = os.Stderr

func fail(code int, err error) {
	fmt.Fprintln(stderr, err)
	os.Exit(code)
}

// dieWithSupervisor ends the process when its stdin ends: the other end of that
// pipe is held by the supervisor alone.
func dieWithSupervisor() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
