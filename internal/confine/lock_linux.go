package confine

import (
	"errors"
	"fmt"
	"runtime"
)

// locker locks this process down, once.
type locker struct {
	Options
	uid int
	// inUserNamespace: the process is in a user namespace of its own.
	inUserNamespace bool
	// alone: no other process has the same user, as far as the kernel counts.
	alone bool
	// shows is what every thread's status file must say in the end.
	shows map[string]func(string) bool
}

// layer is a Layer to be.
type layer struct {
	name string
	// apply puts the layer in place, looks whether it is, and says how far it
	// goes. An errUnavailable means that the machine does not have it.
	apply func() (detail string, err error)
}

func (l *locker) layers() []layer {
	return []layer{
		{"sealed-code", l.sealCode},
		{"namespaces", l.checkNamespaces},
		// Before the process loses the right to change its root.
		{"empty-root", l.emptyRoot},
		{"user", l.takeUser},
		{"no-new-privileges", l.noNewPrivileges},
		// After the user, whose change resets it.
		{"not-dumpable", notDumpable},
		{"rlimits", l.limitResources},
		{"capabilities", l.dropCapabilities},
		{"landlock", l.restrictLandlock},
		// The last, since the others need calls that it takes away.
		{"seccomp", l.installFilter},
	}
}

// Options are what a program says about its own lock-down.
type Options struct {
	// Profile is the OCI seccomp profile that the process runs under from then
	// on. [Compile] says what may be in it.
	Profile []byte
	// KeepDir leaves the process its working directory, to read and write files
	// in: it becomes the root. Otherwise nothing is left of the file system.
	KeepDir bool
}

// Lock locks the process down. The layers are returned in the order of Names,
// without Cgroup,
// whatever was asked of them: whoever started the process judges with Check. After an
// error the process is in between, and must end.
//
// Everything else that the process will need must be open, mapped and compiled.
// The binary must be pure Go (CGO_ENABLED=0): other threads are out of reach.
func Lock(o Options, c Config) ([]Layer, error) { return newLocker(o, c).lock(c.Modes) }

func newLocker(o Options, c Config) *locker {
	return &locker{Options: o, uid: c.UID, shows: make(map[string]func(string) bool)}
}

func (l *locker) lock(modes Modes) ([]Layer, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads, err := openThreads()
	if err != nil {
		return nil, fmt.Errorf("confine: %w", err)
	}
	defer threads.close()
	l.inUserNamespace = ownUserNamespace()
	l.alone = l.inUserNamespace

	var report []Layer
	for _, step := range l.layers() {
		r := Layer{Name: step.name, Mode: modes.For(step.name)}
		if r.Mode == Off {
			r.Detail = "off by configuration"
			report = append(report, r)
			continue
		}
		detail, err := step.apply()
		if err != nil && !errors.Is(err, errUnavailable) {
			return nil, fmt.Errorf("confine: %s: %w", step.name, err)
		}
		if r.Active, r.Detail = err == nil, detail; err != nil {
			r.Detail = err.Error()
		}
		report = append(report, r)
	}
	if err := threads.check(l.shows); err != nil {
		return nil, fmt.Errorf("confine: proving the lock-down: %w", err)
	}
	return report, nil
}
