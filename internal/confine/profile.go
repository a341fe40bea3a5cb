package confine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// profile is an OCI seccomp profile, as far as Compile understands it.
type profile struct {
	Comment       string   `json:"comment"`
	DefaultAction string   `json:"defaultAction"`
	Architectures []string `json:"architectures"`
	Syscalls      []rule   `json:"syscalls"`
}

type rule struct {
	Names    []string   `json:"names"`
	Action   string     `json:"action"`
	ErrnoRet uint16     `json:"errnoRet"`
	Args     []argument `json:"args"`
	Includes struct {
		Arches []string `json:"arches"`
	} `json:"includes"`
	Comment string `json:"comment"`
}

type argument struct {
	Index    uint32 `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo"`
	Op       string `json:"op"`
}

const (
	killProcess = uint32(unix.SECCOMP_RET_KILL_PROCESS)
	allow       = uint32(unix.SECCOMP_RET_ALLOW)
	refuse      = uint32(unix.SECCOMP_RET_ERRNO)
)

var actions = map[string]uint32{"SCMP_ACT_ALLOW": allow, "SCMP_ACT_ERRNO": refuse, "SCMP_ACT_KILL_PROCESS": killProcess}

// architectures are what OCI and the kernel call Go's.
var architectures = map[string]struct {
	oci   string
	audit uint32
}{
	"amd64": {"SCMP_ARCH_X86_64", unix.AUDIT_ARCH_X86_64},
	"arm64": {"SCMP_ARCH_AARCH64", unix.AUDIT_ARCH_AARCH64},
}

// Compile makes a program for the kernel of an OCI seccomp profile, for this
// machine's architecture and the process self. Rules are tried in their order; the
// first whose name and arguments all match decides.
//
// Of OCI's form it takes the actions SCMP_ACT_ALLOW, SCMP_ACT_ERRNO and
// SCMP_ACT_KILL_PROCESS (the only default), the comparisons SCMP_CMP_EQ and
// SCMP_CMP_MASKED_EQ, and refuses everything else. A rule must have a comment.
// includes.arches, which Docker added, limits a rule to architectures, by Go's
// names. tgkill's thread group 0 becomes self.
func Compile(raw []byte, self int) ([]bpf.Instruction, error) {
	var p profile
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("the seccomp profile: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the seccomp profile: there is more behind it")
	}
	machine := architectures[runtime.GOARCH]
	if !slices.Contains(p.Architectures, machine.oci) {
		return nil, fmt.Errorf("the seccomp profile is not for %s", runtime.GOARCH)
	}
	if p.DefaultAction != "SCMP_ACT_KILL_PROCESS" {
		return nil, fmt.Errorf("the seccomp profile's default action is %q; it must be SCMP_ACT_KILL_PROCESS", p.DefaultAction)
	}
	f := newFilter(machine.audit)
	for n, r := range p.Syscalls {
		if len(r.Includes.Arches) > 0 && !slices.Contains(r.Includes.Arches, runtime.GOARCH) {
			continue
		}
		if err := r.compile(f, self); err != nil {
			return nil, fmt.Errorf("the seccomp profile's rule %d, %v: %w", n+1, r.Names, err)
		}
	}
	return f.end(), nil
}

func (r *rule) compile(f *filter, self int) error {
	action, ok := actions[r.Action]
	switch {
	case !ok:
		return fmt.Errorf("unknown action %q", r.Action)
	case len(r.Names) == 0:
		return errors.New("no names")
	case r.Comment == "":
		return errors.New("no comment that says who needs it")
	case (action == refuse) != (r.ErrnoRet != 0):
		return fmt.Errorf("errnoRet is %d with action %s", r.ErrnoRet, r.Action)
	}
	for _, name := range r.Names {
		number, ok := numbers[name]
		if !ok {
			return fmt.Errorf("no system call %q", name)
		}
		var conditions []condition
		for _, a := range r.Args {
			c, err := a.condition()
			if err != nil {
				return err
			}
			if name == "tgkill" && c.index == 0 && c.want == 0 {
				c.want = uint64(self)
			}
			conditions = append(conditions, c)
		}
		f.rule(number, conditions, action|uint32(r.ErrnoRet))
	}
	return nil
}

func (a *argument) condition() (condition, error) {
	if a.Index > 5 {
		return condition{}, fmt.Errorf("argument %d", a.Index)
	}
	switch {
	case a.Op == "SCMP_CMP_EQ" && a.ValueTwo == 0:
		return condition{a.Index, math.MaxUint64, a.Value}, nil
	case a.Op == "SCMP_CMP_MASKED_EQ" && a.ValueTwo&^a.Value == 0:
		return condition{a.Index, a.Value, a.ValueTwo}, nil
	}
	return condition{}, fmt.Errorf("argument %d: the comparison %q with %d and %d", a.Index, a.Op, a.Value, a.ValueTwo)
}
