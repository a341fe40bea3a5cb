package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// prSetMDWE and what it takes are those of linux/prctl.h.
const (
	prSetMDWE          = 65
	prGetMDWE          = 66
	mdweRefuseExecGain = 1
	sysMseal           = 462 // on all architectures
)

// sealCode keeps code what it is: memory that can be written to never becomes
// executable (memory-deny-write-execute), and the program's own code can
// neither be changed, replaced nor unmapped (mseal), nor can the engine's, where
// processes share it as a file's. What else was compiled is not sealed: wazero
// unmaps code that the garbage collector finds unused, and panics when that fails.
// seccomp says no to mprotect, and to mmap of code, as well.
func (l *locker) sealCode() (string, error) {
	var parts []string
	if err := unix.Prctl(prSetMDWE, mdweRefuseExecGain, 0, 0, 0); err == nil {
		if v, err := unix.PrctlRetInt(prGetMDWE, 0, 0, 0, 0); err != nil || v&mdweRefuseExecGain == 0 {
			return "", fmt.Errorf("memory that can be written to may still become executable (%d, %v)", v, err)
		}
		parts = append(parts, "memory-deny-write-execute")
	} else if !errors.Is(err, unix.EINVAL) {
		return "", fmt.Errorf("memory-deny-write-execute: %w", err)
	}
	ranges, err := programCode()
	if err != nil {
		return "", err
	}
	for n, r := range ranges {
		_, _, errno := unix.RawSyscall(sysMseal, r[0], r[1]-r[0], 0)
		if n == 0 && (errno == unix.ENOSYS || errno == unix.EPERM) {
			break // EPERM is a filter around the supervisor that is older than the call
		}
		if errno != 0 {
			return "", fmt.Errorf("sealing %x-%x: %w", r[0], r[1], errno)
		}
		if n == len(ranges)-1 {
			parts = append(parts, "the program's code is sealed")
		}
	}
	if len(parts) == 0 {
		return "", unavailable("neither memory-deny-write-execute nor mseal is there: the kernel lacks them, or a seccomp filter around the supervisor refuses them")
	}
	return strings.Join(parts, ", "), nil
}

// programCode returns where the code is that was mapped from a file.
func programCode() (ranges [][2]uintptr, err error) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, fmt.Errorf("reading the mappings: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		// 00400000-00d10000 r-xp 00000000 fe:00 393235 /usr/bin/sandbox
		f := strings.Fields(line)
		if len(f) < 6 || !strings.Contains(f[1], "x") || !strings.HasPrefix(f[5], "/") {
			continue
		}
		var r [2]uintptr
		if _, err := fmt.Sscanf(f[0], "%x-%x", &r[0], &r[1]); err != nil {
			return nil, fmt.Errorf("reading the mappings: %w", err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}
