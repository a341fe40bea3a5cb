package cgroup

import (
	"path"
	"strconv"
	"strings"
)

// parseFlat reads a flat keyed file of the kernel's: a key and a number a line.
// What is not one is left out.
func parseFlat(text string) map[string]uint64 {
	values := make(map[string]uint64)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			values[key] = n
		}
	}
	return values
}

// parseOwn finds the path of the cgroup2 hierarchy in /proc/self/cgroup.
func parseOwn(text string) (string, bool) {
	for line := range strings.Lines(text) {
		if own, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return own, path.IsAbs(own)
		}
	}
	return "", false
}

// parseMount finds where the cgroup2 hierarchy is mounted, in
// /proc/self/mountinfo.
func parseMount(text string) (string, bool) {
	for line := range strings.Lines(text) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if found && strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 {
			return unescape(fields[4]), true
		}
	}
	return "", false
}

// unescape undoes the kernel's \040 for a space, and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
