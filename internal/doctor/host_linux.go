package doctor

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/cgroup"
)

// Fact is something about the host that matters to a supervisor.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Advice says what to do about it; "" means that nothing is to be done.
	Advice string `json:"advice,omitempty"`
}

// descriptorsEach is about how many descriptors the supervisor has open for a
// process.
const descriptorsEach = 8

// Facts returns what is known of the host, for a supervisor that may have this
// many sandbox processes.
func Facts(processes int) []Fact {
	facts := []Fact{
		{Name: "kernel", Value: release()},
		{Name: "architecture", Value: fmt.Sprintf("%s, %d processors", runtime.GOARCH, runtime.NumCPU())},
		{Name: "user", Value: user()},
		openFiles(processes),
		processLimit(processes),
		pids(),
		userNamespaces(),
		memory(),
		swap(),
		overcommit(),
		{Name: "mappings", Value: orUnknown(read("/proc/sys/vm/max_map_count")) + " a process"},
		hugePages(),
		coreDumps(),
		smt(),
	}
	return facts
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

func user() string {
	if uid := os.Geteuid(); uid != 0 {
		return strconv.Itoa(uid)
	}
	return "root"
}

func openFiles(processes int) Fact {
	f := Fact{Name: "open files"}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		f.Value = "unknown"
		return f
	}
	f.Value = amount(l.Max)
	if need := uint64(descriptorsEach*processes + 512); l.Max < need {
		f.Advice = fmt.Sprintf("%d sandbox processes need about %d: raise it (systemd: LimitNOFILE=, a container: --ulimit nofile=)", processes, need)
	}
	return f
}

func processLimit(processes int) Fact {
	f := Fact{Name: "processes and threads"}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &l); err != nil {
		f.Value = "unknown"
		return f
	}
	f.Value = amount(l.Max) + " of this user"
	if need := uint64(8*processes + 256); os.Geteuid() != 0 && l.Max < need {
		f.Advice = fmt.Sprintf("%d sandbox processes may need %d: raise it (systemd: LimitNPROC=)", processes, need)
	}
	return f
}

func pids() Fact {
	f := Fact{Name: "process ids", Value: orUnknown(read("/proc/sys/kernel/pid_max"))}
	if dir, err := cgroup.Own(); err == nil {
		if most := read(dir + "/pids.max"); most != "" && most != "max" {
			f.Value += ", " + most + " in this control group"
		}
	}
	return f
}

func userNamespaces() Fact {
	f := Fact{Name: "user namespaces", Value: orUnknown(read("/proc/sys/user/max_user_namespaces"))}
	if f.Value == "unknown" {
		return f
	}
	switch {
	case f.Value == "0":
		f.Advice = "sysctl user.max_user_namespaces=10000"
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		f.Value += ", root's only"
		f.Advice = "sysctl kernel.unprivileged_userns_clone=1"
	case read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		f.Value += ", restricted by AppArmor"
		f.Advice = "an AppArmor profile with `userns,` for the supervisor, or sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	}
	if os.Geteuid() == 0 {
		f.Advice = "" // root needs none
	}
	return f
}

func memory() Fact {
	total, available := meminfo("MemTotal"), meminfo("MemAvailable")
	f := Fact{Name: "memory", Value: fmt.Sprintf("%s, %s available", bytes(total), bytes(available))}
	if dir, err := cgroup.Own(); err == nil {
		if most, err := strconv.ParseUint(read(dir+"/memory.max"), 10, 64); err == nil {
			f.Value += ", " + bytes(most) + " in this control group"
		}
	}
	return f
}

func swap() Fact {
	f := Fact{Name: "swap", Value: bytes(meminfo("SwapTotal"))}
	if meminfo("SwapTotal") > 0 {
		f.Advice = "tenants' memory may be written to it: encrypt it, or do without"
	}
	return f
}

func overcommit() Fact {
	f := Fact{Name: "overcommit", Value: orUnknown(read("/proc/sys/vm/overcommit_memory"))}
	if f.Value == "2" {
		f.Advice = "address space that is reserved counts as used: sysctl vm.overcommit_memory=0"
	}
	return f
}

func hugePages() Fact {
	f := Fact{Name: "huge pages", Value: chosen(read("/sys/kernel/mm/transparent_hugepage/enabled"))}
	if f.Value == "always" {
		f.Advice = "idle processes take more memory than they need: set transparent_hugepage to madvise"
	}
	return f
}

func coreDumps() Fact {
	f := Fact{Name: "core dumps", Value: "to files"}
	if strings.HasPrefix(read("/proc/sys/kernel/core_pattern"), "|") {
		f.Value = "to a program"
	}
	f.Value += "; never of sandboxes"
	return f
}

func smt() Fact {
	f := Fact{Name: "processor threads (SMT)", Value: "off"}
	if read("/sys/devices/system/cpu/smt/active") == "1" {
		f.Value = "on: two tenants may share a core"
	}
	return f
}

// chosen returns what is in brackets: "always [madvise] never".
func chosen(s string) string {
	_, s, _ = strings.Cut(s, "[")
	s, _, _ = strings.Cut(s, "]")
	return orUnknown(s)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func amount(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// meminfo returns a line of the kernel's, in bytes.
func meminfo(name string) uint64 {
	for line := range strings.Lines(read("/proc/meminfo")) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			var kib uint64
			_, _ = fmt.Sscan(value, &kib)
			return kib << 10
		}
	}
	return 0
}

func bytes(n uint64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
