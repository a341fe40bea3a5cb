package confine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Verify looks from outside whether the main thread of a process that was told
// c has the active layers of its report, as far as its status file shows them.
func Verify(pid int, layers []Layer, c Config) error {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	want := make(map[string]func(string) bool)
	for _, l := range layers {
		if !l.Active {
			continue
		}
		switch l.Name {
		case "namespaces":
			want["NStgid"] = isInit
		case "user":
			if c.UID != 0 {
				want["Uid"] = is(strings.Repeat("\t"+strconv.Itoa(c.UID), 4)[1:])
			}
		case "no-new-privileges":
			want["NoNewPrivs"] = is("1")
		case "capabilities":
			want["CapPrm"], want["CapEff"] = is(noCapability), is(noCapability)
		case "seccomp":
			want["Seccomp"] = is("2")
		}
	}
	if err := checkStatus(string(status), want); err != nil {
		return fmt.Errorf("confine: process %d: %w", pid, err)
	}
	return nil
}
