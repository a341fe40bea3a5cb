// Go would keep its look at the processor quota open, a file of the machine's.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command database is one tenant's SQL database: SQLite in a process of its
// own, with nothing in it but that tenant's file. The supervisor starts it
// with an empty environment but for its configuration, in the tenant's
// directory, with one socket for each SQLite connection. It ends when its
// supervisor does, however that comes about.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
	"github.com/bulkhead-run/bulkhead/platform/db/worker"
	"github.com/bulkhead-run/bulkhead/policies/seccomp"
)

// The exit codes. The supervisor reads what is on stderr instead.
const (
	exitByHand = 2
	exitStart  = 4
)

// maxProcs is how many of a tenant's statements compute at once.
const maxProcs = 2

// lockdown leaves the process its directory.
var lockdown = confine.Options{Profile: seccomp.Database, KeepDir: true}

func main() {
	// Asked for an attempt, the process makes it and ends: it never serves.
	if attempt := escape.Asked(); attempt != nil {
		go dieWithSupervisor()
		os.Clearenv()
		attempt.Run(lockdown)
	}
	text, started := os.LookupEnv(wire.ConfigKey)
	if !started && len(os.Args) > 1 {
		byName(os.Args[1:])
		return
	}
	if !started {
		fmt.Fprintln(os.Stderr, "database is started by the Bulkhead supervisor, one for each tenant; it does nothing by hand.\nTo look into a tenant's database: sqlite3 DATA/db/TENANT/main.db")
		os.Exit(exitByHand)
	}
	confine.SetName("database")
	var config wire.Config
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		fail(fmt.Errorf("the configuration cannot be read: %w", err))
	}
	runtime.GOMAXPROCS(min(maxProcs, runtime.NumCPU()))
	// A write beyond the file limit fails instead of ending the process.
	signal.Ignore(syscall.SIGXFSZ)
	if err := limit(&config); err != nil {
		fail(fmt.Errorf("cannot limit the process: %w", err))
	}
	debug.SetMemoryLimit(config.MaxMemory / 2)
	go dieWithSupervisor()
	if err := worker.Serve(&config, func() ([]byte, error) { return lock(config.Lockdown) }); err != nil {
		fail(err)
	}
}

// byName is what `supervisor backup` and `supervisor check` have done here, apart
// from the supervisor: "copy FROM TO" and "check FILE".
func byName(args []string) {
	var err error
	switch {
	case args[0] == "copy" && len(args) == 3:
		err = worker.Copy(args[1], args[2])
	case args[0] == "check" && len(args) == 2:
		err = worker.Check(args[1])
	default:
		err = fmt.Errorf("unknown command %q; there are: copy FROM TO, check FILE", args[0])
	}
	if err != nil {
		fail(err)
	}
}

// lock locks the process down to its directory and its sockets, before it
// opens the tenant's file.
func lock(text string) ([]byte, error) {
	c, err := confine.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	os.Clearenv() // what it said is known
	layers, err := confine.Lock(lockdown, c)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the process down: %w", err)
	}
	return confine.Report(layers), nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitStart)
}

// dieWithSupervisor ends the process when its stdin ends: the other end of that
// pipe is held by the supervisor alone. What was committed is in the file.
func dieWithSupervisor() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
