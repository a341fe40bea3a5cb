package confine

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/policies/seccomp"
)

const self = 4711

// ask runs a program as the kernel would, on a machine with the other byte
// order: the package's virtual machine is for network packets.
func ask(t *testing.T, program []bpf.Instruction, number, arch uint32, args ...uint64) uint32 {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	data := binary.BigEndian.AppendUint32(nil, number)
	data = binary.BigEndian.AppendUint32(data, arch)
	data = binary.BigEndian.AppendUint64(data, 0)
	for n := range 6 {
		var a uint64
		if n < len(args) {
			a = args[n]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	verdict, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

// machine is what the kernel calls this architecture.
var machine = architectures[runtime.GOARCH].audit

func compileSandbox(t *testing.T) []bpf.Instruction {
	t.Helper()
	program, err := Compile(seccomp.Sandbox, self)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func TestSandboxProfile(t *testing.T) {
	program := compileSandbox(t)
	threadFlags := map[string]uint64{"amd64": 0xd0f00, "arm64": 0x50f00}[runtime.GOARCH]
	for _, tt := range []struct {
		number uint32
		args   []uint64
		want   uint32
	}{
		{unix.SYS_READ, []uint64{5}, allow},
		{unix.SYS_FUTEX, []uint64{0xc000, 128}, allow},
		{unix.SYS_FUTEX, []uint64{0xc000, 129}, allow},
		{unix.SYS_FUTEX, []uint64{0xc000, 13}, killProcess},
		{unix.SYS_FUTEX, []uint64{0xc000, 1<<32 | 128}, killProcess},
		{unix.SYS_MMAP, []uint64{0, 4096, 3, 34, math.MaxUint64}, allow},
		{unix.SYS_MMAP, []uint64{0, 4096, 4}, killProcess},
		{unix.SYS_MMAP, []uint64{0, 4096, 5}, killProcess},
		{unix.SYS_MMAP, []uint64{0, 4096, 7}, killProcess},
		{unix.SYS_MPROTECT, []uint64{0, 4096, 3}, killProcess},
		{unix.SYS_CLONE, []uint64{threadFlags}, allow},
		{unix.SYS_CLONE, []uint64{threadFlags | unix.CLONE_NEWUSER}, killProcess},
		{unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, killProcess},
		{unix.SYS_CLONE3, nil, killProcess},
		{unix.SYS_TGKILL, []uint64{self, 1, 23}, allow},
		{unix.SYS_TGKILL, []uint64{0, 1, 23}, killProcess},
		{unix.SYS_TGKILL, []uint64{1, 1, 9}, killProcess},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_VMA}, allow},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE, 1}, killProcess},
		{unix.SYS_IOCTL, []uint64{6, 0xc0606610}, allow},
		{unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, killProcess},
		{unix.SYS_FCNTL, []uint64{9, unix.F_ADD_SEALS}, allow},
		{unix.SYS_FCNTL, []uint64{9, unix.F_GETFL}, allow},
		{unix.SYS_FCNTL, []uint64{9, unix.F_SETOWN, 1}, killProcess},
		{unix.SYS_RECVMSG, []uint64{3}, allow},
		{unix.SYS_RECVMSG, []uint64{4}, killProcess},
		{unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_DONTNEED}, allow},
		{unix.SYS_MADVISE, []uint64{0, 4096, unix.MADV_HWPOISON}, killProcess},
		{unix.SYS_EPOLL_CTL, []uint64{4, unix.EPOLL_CTL_ADD}, allow},
		{unix.SYS_EPOLL_CTL, []uint64{4, unix.EPOLL_CTL_MOD}, killProcess},
		{unix.SYS_MEMFD_CREATE, []uint64{1, unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING}, allow},
		{unix.SYS_MEMFD_CREATE, []uint64{1, unix.MFD_HUGETLB}, killProcess},
		{unix.SYS_GETPPID, nil, refuse | uint32(unix.EPERM)},
		{unix.SYS_OPENAT, nil, refuse | uint32(unix.EPERM)},
		{unix.SYS_ACCEPT4, nil, refuse | uint32(unix.EAGAIN)},
		{unix.SYS_EXECVE, nil, killProcess},
		{unix.SYS_SOCKET, nil, killProcess},
		{unix.SYS_SENDMSG, nil, killProcess},
	} {
		if got := ask(t, program, tt.number, machine, tt.args...); got != tt.want {
			t.Errorf("%d %x: %#x, want %#x", tt.number, tt.args, got, tt.want)
		}
	}
	// The other ways into the kernel.
	for name, got := range map[string]uint32{
		"i386":    ask(t, program, 3, unix.AUDIT_ARCH_I386),
		"nothing": ask(t, program, unix.SYS_READ, 0),
		"x32":     ask(t, program, unix.SYS_READ|x32Bit, machine),
		"-1":      ask(t, program, math.MaxUint32, machine),
	} {
		if got != killProcess {
			t.Errorf("%s: %#x", name, got)
		}
	}
}

// A number that the profile does not name does not get through, whatever its
// arguments.
func TestOnlyNamedCallsGetThrough(t *testing.T) {
	for name, raw := range map[string][]byte{"sandbox": seccomp.Sandbox, "database": seccomp.Database} {
		program, err := Compile(raw, self)
		if err != nil {
			t.Fatal(err)
		}
		named := names(t, raw)
		if len(named) > 40 {
			t.Errorf("%s: %d system calls: at most 40 are promised", name, len(named))
		}
		arguments := []uint64{0, 1, 2, 3, 4, 5, 7, 14, 128, 1033, self, math.MaxUint32, math.MaxUint64}
		for number := range uint32(700) {
			if slices.ContainsFunc(named, func(name string) bool { return numbers[name] == number }) {
				continue
			}
			for _, a := range arguments {
				for _, b := range arguments {
					if got := ask(t, program, number, machine, a, b, a, b, a, b); got != killProcess {
						t.Fatalf("%s: %d with %#x and %#x: %#x", name, number, a, b, got)
					}
				}
			}
		}
	}
}

// names are the calls that a profile has rules for on this architecture.
func names(t *testing.T, raw []byte) []string {
	t.Helper()
	var p profile
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range p.Syscalls {
		if len(r.Includes.Arches) == 0 || slices.Contains(r.Includes.Arches, runtime.GOARCH) {
			all = append(all, r.Names...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The table has what the profiles name, and nothing else.
func TestNumbers(t *testing.T) {
	want := append(names(t, seccomp.Sandbox), names(t, seccomp.Database)...)
	slices.Sort(want)
	if got, want := slices.Sorted(maps.Keys(numbers)), slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCompileRefuses(t *testing.T) {
	const head = `"defaultAction":"SCMP_ACT_KILL_PROCESS","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"]`
	rule := func(text string) string { return "{" + head + `,"syscalls":[{` + text + "}]}" }
	for text, want := range map[string]string{
		`{`:               "unexpected EOF",
		`{` + head + `}x`: "more behind it",
		`{"seccomp":{}}`:  "unknown field",
		`{"defaultAction":"SCMP_ACT_KILL_PROCESS","architectures":["SCMP_ARCH_S390X"]}`:                                                   "not for " + runtime.GOARCH,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"]}`:                                     "must be SCMP_ACT_KILL_PROCESS",
		rule(`"names":["nosuch"],"action":"SCMP_ACT_ALLOW","comment":"c"`):                                                                `rule 1, [nosuch]: no system call "nosuch"`,
		rule(`"names":["read"],"action":"SCMP_ACT_ALLOW"`):                                                                                "no comment",
		rule(`"names":["read"],"action":"SCMP_ACT_TRACE","comment":"c"`):                                                                  `unknown action "SCMP_ACT_TRACE"`,
		rule(`"names":[],"action":"SCMP_ACT_ALLOW","comment":"c"`):                                                                        "no names",
		rule(`"names":["read"],"action":"SCMP_ACT_ERRNO","comment":"c"`):                                                                  "errnoRet is 0",
		rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":1,"comment":"c"`):                                                     "errnoRet is 1",
		rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","comment":"c","args":[{"index":6}]`):                                             "argument 6",
		rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","comment":"c","args":[{"op":"SCMP_CMP_GT"}]`):                                    `comparison "SCMP_CMP_GT"`,
		rule(`"names":["read"],"action":"SCMP_ACT_ALLOW","comment":"c","args":[{"op":"SCMP_CMP_MASKED_EQ",` + `"value":1,"valueTwo":2}]`): "with 1 and 2",
	} {
		if _, err := Compile([]byte(text), self); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Any number of conditions and rules keeps its jumps in their own rule.
func TestConditions(t *testing.T) {
	f := newFilter(machine)
	var all []condition
	for n := range uint32(6) {
		all = append(all, condition{n, 0xff00_0000_0000_00ff, 0x1200_0000_0000_0034})
	}
	f.rule(1, all, allow)
	f.rule(1, []condition{{0, math.MaxUint64, 1 << 40}}, refuse|1)
	for n := range uint32(500) {
		f.rule(100+n, nil, refuse|2)
	}
	program := f.end()
	const good = uint64(0x1234_5678_9abc_de34)
	for _, tt := range []struct {
		number uint32
		args   []uint64
		want   uint32
	}{
		{1, []uint64{good, good, good, good, good, good}, allow},
		{1, []uint64{good, good, good, good, good, good + 1}, killProcess},
		{1, []uint64{good, good, good, good, good, 1<<63 | good}, killProcess},
		{1, []uint64{1 << 40}, refuse | 1},
		{1, []uint64{100}, killProcess},
		{100, nil, refuse | 2},
		{599, nil, refuse | 2},
		{600, nil, killProcess},
	} {
		if got := ask(t, program, tt.number, machine, tt.args...); got != tt.want {
			t.Errorf("%d %x: %#x, want %#x", tt.number, tt.args, got, tt.want)
		}
	}
}
