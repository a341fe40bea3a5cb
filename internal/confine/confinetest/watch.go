package confinetest

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-run/bulkhead/internal/confine"
)

// allowance is a rule of the profile that lets calls through.
type allowance struct {
	name, comment string
	profile       []byte // with no other rule
	used          bool
}

func allowances(t *testing.T, raw []byte) []*allowance {
	t.Helper()
	var profile map[string]any
	if err := json.Unmarshal(raw, &profile); err != nil {
		t.Fatal(err)
	}
	var all []*allowance
	for _, r := range profile["syscalls"].([]any) {
		rule := r.(map[string]any)
		if includes, ok := rule["includes"].(map[string]any); ok && !slices.Contains(includes["arches"].([]any), any(runtime.GOARCH)) {
			continue
		}
		if rule["action"] != "SCMP_ACT_ALLOW" {
			continue // what is refused is not seen: it must not be needed
		}
		profile["syscalls"] = []any{rule}
		alone, err := json.Marshal(profile)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &allowance{name: rule["names"].([]any)[0].(string), comment: rule["comment"].(string), profile: alone})
	}
	return all
}

// Watch marks the rules of a profile that the calls of locked processes use.
type Watch struct {
	// Binary is what to run as the program.
	Binary string

	mu     sync.Mutex
	all    []*allowance
	unused map[*traced]map[*allowance]*bpf.VM // by process, once it is locked
	fault  error
}

// NewWatch has a program traced that locks itself down under a profile.
func NewWatch(t *testing.T, program string, profile []byte) *Watch {
	t.Helper()
	w := &Watch{all: allowances(t, profile), unused: make(map[*traced]map[*allowance]*bpf.VM)}
	w.Binary = trace(t, program, w.see)
	return w
}

// Fault is what kept the Watch from seeing all, once the processes are gone.
func (w *Watch) Fault() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

func (w *Watch) see(p *traced, e *event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.number == unix.SYS_SECCOMP && e.args[0] == unix.SECCOMP_SET_MODE_FILTER {
		w.unused[p] = make(map[*allowance]*bpf.VM)
		for _, a := range w.all {
			program, err := confine.Compile(a.profile, p.self)
			if err != nil {
				w.fault = err
				continue
			}
			if w.unused[p][a], err = bpf.NewVM(program); err != nil {
				w.fault = err
			}
		}
		return
	}
	for a, vm := range w.unused[p] {
		verdict, err := vm.Run(e.packet())
		if err != nil {
			w.fault = err
		}
		if uint32(verdict) == unix.SECCOMP_RET_ALLOW {
			a.used = true
			delete(w.unused[p], a)
		}
	}
}

// Unused returns the rules that let through what no call has asked for, and
// that do not say why.
func (w *Watch) Unused() (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.all {
		if !a.used && !strings.HasPrefix(a.comment, "Rarely: ") {
			names = append(names, a.name+": "+a.comment)
		}
	}
	return names
}
