package confine

import (
	"errors"
	"fmt"
	"runtime"
)

// Layer is one part of the lock-down, and what became of it.
type Layer struct {
	// Name is "no-new-privileges", "not-dumpable", "rlimits", "capabilities",
	// "landlock" or "seccomp".
	Name string
	// Active is false when the kernel does not offer the layer.
	Active bool
	// Detail says how far the layer goes, or why it is not there.
	Detail string
}

// errNotOffered means that the kernel does not have a layer that may be missing.
var errNotOffered = errors.New("the kernel does not offer it")

// layer is a Layer to be.
type layer struct {
	name string
	// apply puts the layer in place, looks whether it is, and says how far it
	// goes.
	apply func() (detail string, err error)
	// shows is what every thread's status file says afterwards.
	shows map[string]string
}

func layers(profile []byte) []layer {
	return []layer{
		{"no-new-privileges", noNewPrivileges, map[string]string{"NoNewPrivs": "1"}},
		{"not-dumpable", notDumpable, nil},
		{"rlimits", limitResources, nil},
		{"capabilities", dropCapabilities, map[string]string{
			"CapInh": noCapability, "CapPrm": noCapability, "CapEff": noCapability, "CapAmb": noCapability,
		}},
		{"landlock", restrictLandlock, nil},
		// The last, since the others need calls that it takes away.
		{"seccomp", func() (string, error) { return installFilter(profile) }, map[string]string{"Seccomp": "2"}},
	}
}

// Lock locks the process down: profile is the OCI seccomp profile that it runs
// under from now on ([Compile] says what may be in it). The layers are returned
// in the order in which they were applied. After an error the process is in
// between, and must end.
//
// Everything that the process will need must be open, mapped and compiled. The
// binary must be pure Go (CGO_ENABLED=0): other threads are out of reach.
func Lock(profile []byte) ([]Layer, error) { return lock(layers(profile)) }

func lock(layers []layer) ([]Layer, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	threads, err := openThreads()
	if err != nil {
		return nil, fmt.Errorf("confine: %w", err)
	}
	defer threads.close()

	var report []Layer
	shows := make(map[string]string)
	for _, l := range layers {
		detail, err := l.apply()
		switch {
		case errors.Is(err, errNotOffered):
			report = append(report, Layer{Name: l.name, Detail: err.Error()})
			continue
		case err != nil:
			return nil, fmt.Errorf("confine: %s: %w", l.name, err)
		}
		report = append(report, Layer{Name: l.name, Active: true, Detail: detail})
		for field, want := range l.shows {
			shows[field] = want
		}
	}
	if err := threads.check(shows); err != nil {
		return nil, fmt.Errorf("confine: proving the lock-down: %w", err)
	}
	return report, nil
}
