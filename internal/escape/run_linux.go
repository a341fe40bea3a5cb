package escape

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// key is the environment variable by which a process is asked for an attempt.
const key = "BULKHEAD_ESCAPE"

// What a process is asked for beside attempts.
const (
	// Victim is the neighbour that attempts reach for.
	Victim = "victim"
	// sayDone is what the program does that the process has become.
	sayDone = "done"
)

// What a process says last, if it lives to say it.
const (
	saidDone    = "done"
	saidRefused = "refused: "
	saidFault   = "fault: "
)

// errKilled means that processes were killed which the attempt had started.
var errKilled = errors.New(Killed)

// Request is what a process is asked to do.
type Request struct {
	// Attempt is the name of one, or Victim.
	Attempt string `json:"attempt"`
	World   World  `json:"world"`
	// Lockdown is what it is told about its lock-down.
	Lockdown confine.Config `json:"lockdown"`
	// Unfiltered: seccomp is off, even for what applies it itself.
	Unfiltered bool `json:"unfiltered,omitempty"`
}

// Environment is what asks a process for r.
func (r *Request) Environment() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return key + "=" + string(text)
}

// Asked returns what this process was asked for by the one that started it, or
// nil. A request that needs no lock-down is answered here, and one that cannot
// be understood ends the process: Asked does not return then.
func Asked() *Request {
	text, asked := os.LookupEnv(key)
	if !asked {
		return nil
	}
	r := &Request{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		say(saidFault + err.Error())
	}
	switch r.Attempt {
	case sayDone:
		say(saidDone)
	case Victim:
		suffer()
	}
	if _, ok := find(r.Attempt); !ok {
		say(saidFault + "there is no such attempt")
	}
	return r
}

// Run locks the process down as its program does, makes the attempt, says how
// it ended, and ends the process.
func (r *Request) Run(o confine.Options) {
	if _, err := confine.Lock(o, r.Lockdown); err != nil {
		r.Fail(err)
	}
	a, _ := find(r.Attempt)
	r.World.profile, r.World.unfiltered = o.Profile, r.Unfiltered
	if err := a.try(&r.World); err != nil {
		say(saidRefused + words(err))
	}
	if r.World.note != "" {
		say(saidDone + ": " + r.World.note)
	}
	say(saidDone)
}

// Fail says that the attempt could not be made, and ends the process.
func (r *Request) Fail(err error) { say(saidFault + err.Error()) }

// words names an error as the kernel does.
func words(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.Is(err, errKilled) {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
	}
	return err.Error()
}

func say(text string) {
	_, _ = unix.Write(2, []byte(text))
	os.Exit(0)
}

// suffer is the victim: it tells where its secret is, and waits for its end.
func suffer() {
	secret := []byte(Treasure)
	// Anybody of this user may trace it, whatever the machine's settings are.
	_ = unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	fmt.Printf("%d %d\n", os.Getpid(), address(secret))
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(int(secret[0] & 1))
}

// Result is how an attempt ended.
type Result struct {
	// Refused is false when it worked.
	Refused bool
	// By says how it was refused: Killed by the filter of system calls, or with
	// an error of the kernel's. Of what worked it may say more.
	By string
}

// Killed is how seccomp refuses a call.
const Killed = "killed"

// Read makes out the result from what a process wrote to its standard error, and
// how it ended.
func Read(output, how string) (Result, error) {
	switch {
	case strings.HasPrefix(how, "signal: "+syscall.SIGSYS.String()):
		return Result{Refused: true, By: Killed}, nil
	case strings.HasPrefix(output, saidDone):
		return Result{By: strings.TrimPrefix(strings.TrimPrefix(output, saidDone), ": ")}, nil
	case strings.HasPrefix(output, saidRefused):
		return Result{Refused: true, By: strings.TrimPrefix(output, saidRefused)}, nil
	case strings.HasPrefix(output, saidFault):
		return Result{}, errors.New(strings.TrimPrefix(output, saidFault))
	}
	if len(output) > 200 {
		output = output[:200] + "..."
	}
	return Result{}, fmt.Errorf("it ended with %s, and said %q", how, output)
}
