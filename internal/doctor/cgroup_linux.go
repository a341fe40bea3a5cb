package doctor

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroupDir is this process's group of version 2, or "" if it has none.
func cgroupDir() string {
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			for _, root := range []string{cgroupRoot, filepath.Join(cgroupRoot, "unified")} {
				if exists(filepath.Join(root, "cgroup.controllers")) {
					return filepath.Join(root, path)
				}
			}
		}
	}
	return ""
}

// cgroup says whether tenants can have control groups of their own.
func cgroup() Fact {
	f := Fact{Name: "control groups"}
	dir := cgroupDir()
	if dir == "" {
		f.Value, f.Advice = "version 1 or none", "boot with systemd.unified_cgroup_hierarchy=1"
		return f
	}
	controllers := strings.Fields(read(filepath.Join(dir, "cgroup.controllers")))
	f.Value = "version 2"
	var missing []string
	for _, want := range []string{"cpu", "memory", "pids"} {
		found := false
		for _, c := range controllers {
			found = found || c == want
		}
		if !found {
			missing = append(missing, want)
		}
	}
	switch {
	case missing != nil:
		f.Value += ", without " + strings.Join(missing, ", ")
		f.Advice = "delegate the controllers (systemd: Delegate=cpu memory pids)"
	case unix.Access(dir, unix.W_OK) != nil:
		f.Value += ", not delegated"
		f.Advice = "give the supervisor a group of its own (systemd: Delegate=yes)"
	case os.Geteuid() == 0 && dir == cgroupRoot:
		f.Value += ", the root group"
		f.Advice = "run it in a group of its own (systemd: Delegate=yes)"
	default:
		f.Value += ", delegated"
	}
	return f
}
