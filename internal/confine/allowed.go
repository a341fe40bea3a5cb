package confine

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
)

// Allowed returns the numbers of the system calls that a profile has rules for,
// on this machine's architecture: those that do not always kill the process.
func Allowed(raw []byte) ([]uint32, error) {
	var p profile
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("the seccomp profile: %w", err)
	}
	set := make(map[uint32]bool)
	for _, r := range p.Syscalls {
		if len(r.Includes.Arches) > 0 && !slices.Contains(r.Includes.Arches, runtime.GOARCH) {
			continue
		}
		for _, name := range r.Names {
			number, ok := numbers[name]
			if !ok {
				return nil, fmt.Errorf("the seccomp profile: no system call %q", name)
			}
			set[number] = true
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}
