package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Mode says what is done about a layer.
type Mode string

const (
	// Required: a process without the layer is not used.
	Required Mode = "required"
	// Preferred: the process goes on without the layer where the machine does
	// not have it, and says so.
	Preferred Mode = "preferred"
	// Off leaves the layer out. It is for debugging, and to show that a layer
	// does something.
	Off Mode = "off"
)

// Layer is one part of the lock-down, and what became of it in one process.
type Layer struct {
	// Name is one of Names.
	Name string `json:"name"`
	// Mode is what was asked for.
	Mode Mode `json:"mode"`
	// Active says whether the layer is there, and was looked at.
	Active bool `json:"active"`
	// Detail says how far the layer goes, or why it is not there.
	Detail string `json:"detail,omitempty"`
}

// Cgroup is the layer that the supervisor puts a process into when it starts
// it. A process knows nothing of it: it is not in its report.
const Cgroup = "cgroup"

// Names are those of all layers, in the order in which they are applied.
var Names = append([]string{Cgroup}, Reported...)

// Reported are the layers that a process applies itself, or looks at, and tells of.
var Reported = []string{
	"sealed-code", "namespaces", "empty-root", "user", "no-new-privileges", "not-dumpable",
	"rlimits", "capabilities", "landlock", "seccomp",
}

// WithCgroup puts the layer Cgroup before those that a process has reported.
// missing says what it lacks; it is active when that is empty.
func WithCgroup(layers []Layer, modes Modes, missing string) []Layer {
	l := Layer{Name: Cgroup, Mode: modes.For(Cgroup), Detail: clip(missing)}
	switch {
	case l.Mode == Off:
		l.Detail = "off by configuration"
	case missing == "":
		l.Active, l.Detail = true, "memory, cpu, pids"
	}
	return append([]Layer{l}, layers...)
}

// defaults are the layers that every Linux from 4.14 on has for every process.
var defaults = map[string]Mode{
	"no-new-privileges": Required, "not-dumpable": Required, "rlimits": Required,
	"capabilities": Required, "seccomp": Required,
}

// remedies say what an operator can do about a layer that is missing.
var remedies = map[string]string{
	Cgroup:              "give the supervisor a control group of version 2 with the controllers cpu, memory and pids (systemd: Delegate=yes; else cgroup.parent)",
	"sealed-code":       "use Linux 6.3 or newer",
	"namespaces":        "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; a container's seccomp profile), or run the supervisor as root",
	"empty-root":        "it needs the layer namespaces, or a supervisor that is root",
	"user":              "name a range of user ids that exists here (sandbox_uid), or run the supervisor as a user other than root",
	"no-new-privileges": "use Linux 4.14 or newer",
	"not-dumpable":      "use Linux 4.14 or newer",
	"rlimits":           "use Linux 4.14 or newer",
	"capabilities":      "use Linux 4.14 or newer",
	"landlock":          "use a kernel that is built with Landlock (CONFIG_SECURITY_LANDLOCK) and has it among its lsm= modules",
	"seccomp":           "use a kernel that is built with CONFIG_SECCOMP_FILTER",
}

// Remedy says what an operator can do about a layer that is missing.
func Remedy(name string) string { return remedies[name] }

// Modes are what is asked of layers, by name. A layer that is not there has its
// default: Required for what every supported kernel has, Preferred for the rest.
type Modes map[string]Mode

// For returns the mode of a layer.
func (m Modes) For(name string) Mode {
	if mode, ok := m[name]; ok {
		return mode
	}
	if mode, ok := defaults[name]; ok {
		return mode
	}
	return Preferred
}

// Without returns m with some layers off.
func (m Modes) Without(names ...string) Modes {
	if len(names) == 0 {
		return m
	}
	w := make(Modes, len(m)+len(names))
	maps.Copy(w, m)
	for _, name := range names {
		w[name] = Off
	}
	return w
}

// Validate checks names and modes.
func (m Modes) Validate() error {
	for name, mode := range m {
		if !slices.Contains(Names, name) {
			return fmt.Errorf("layer %q is unknown; the layers are %s", name, strings.Join(Names, ", "))
		}
		if mode != Required && mode != Preferred && mode != Off {
			return fmt.Errorf("layer %s: the mode is %q; it must be %s, %s or %s", name, mode, Required, Preferred, Off)
		}
	}
	return nil
}

// Config is what a process is told about its lock-down.
type Config struct {
	Modes Modes `json:"modes,omitempty"`
	// UID is the user and group id that the process takes. 0 means its own.
	UID int `json:"uid,omitempty"`
}

// String is the form in which a Config is handed to a process.
func (c Config) String() string {
	text, _ := json.Marshal(c) // of numbers and strings
	return string(text)
}

// ParseConfig reads what String wrote. Nothing at all is the zero Config.
func ParseConfig(text string) (c Config, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &c)
	}
	if err == nil {
		err = c.Modes.Validate()
	}
	if err != nil {
		return c, fmt.Errorf("confine: the configuration: %w", err)
	}
	return c, nil
}

const (
	// MaxReport is the most bytes that a report has.
	MaxReport = 8 << 10
	maxDetail = 400
)

// Report is the form in which a process tells what became of its layers.
func Report(layers []Layer) []byte {
	for n := range layers {
		layers[n].Detail = clip(layers[n].Detail)
	}
	text, _ := json.Marshal(layers) // of strings and truth values
	return text
}

// ParseReport reads a report of a process that was told modes: all layers but
// Cgroup. The process is
// not trusted: a report that ours would not write is an error.
func ParseReport(text []byte, modes Modes) ([]Layer, error) {
	var layers []Layer
	if len(text) > MaxReport {
		return nil, fmt.Errorf("confine: the report has %d bytes", len(text))
	}
	if err := json.Unmarshal(text, &layers); err != nil {
		return nil, fmt.Errorf("confine: the report: %w", err)
	}
	if len(layers) != len(Reported) {
		return nil, fmt.Errorf("confine: the report has %d layers, not %d", len(layers), len(Reported))
	}
	for n := range layers {
		l := &layers[n]
		switch {
		case l.Name != Reported[n]:
			return nil, fmt.Errorf("confine: the report's layer %d is not %s", n+1, Reported[n])
		case l.Mode != modes.For(l.Name):
			return nil, fmt.Errorf("confine: the report says that layer %s is not %s", l.Name, modes.For(l.Name))
		case l.Mode == Off && l.Active:
			return nil, fmt.Errorf("confine: the report says that layer %s is active; it is off", l.Name)
		}
		l.Detail = clip(l.Detail)
	}
	return layers, nil
}

// clip makes a detail fit for a line of log.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "")
	}
	return s
}

// MissingError is about required layers that are not active.
type MissingError struct{ Layers []Layer }

func (e *MissingError) Error() string {
	var parts []string
	for _, l := range e.Layers {
		parts = append(parts, fmt.Sprintf("the layer %s is required and is not active: %s; %s, or set layers.%s to %s", l.Name, l.Detail, Remedy(l.Name), l.Name, Preferred))
	}
	return strings.Join(parts, "; ")
}

// Check returns a *MissingError when a required layer is not active.
func Check(layers []Layer) error {
	var missing []Layer
	for _, l := range layers {
		if l.Mode == Required && !l.Active {
			missing = append(missing, l)
		}
	}
	if missing == nil {
		return nil
	}
	return &MissingError{missing}
}

// Degraded returns the layers that are not active, and not off.
func Degraded(layers []Layer) []Layer {
	return slices.DeleteFunc(slices.Clone(layers), func(l Layer) bool { return l.Active || l.Mode == Off })
}

// errUnavailable means that the machine does not have a layer for this process.
var errUnavailable = errors.New("not available")

// unavailable is an errUnavailable that says why.
func unavailable(format string, a ...any) error {
	return &unavailableError{fmt.Errorf(format, a...)}
}

type unavailableError struct{ error }

func (e *unavailableError) Is(target error) bool { return target == errUnavailable }
func (e *unavailableError) Unwrap() error        { return e.error }
