package doctor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/escape"
)

// host is what layers a locked process has here.
type host struct {
	active   map[string]bool
	landlock int  // its version
	sealed   bool // memory that can be written to never becomes executable
	root     bool // this process is
}

func newHost(layers []confine.Layer) *host {
	h := &host{active: make(map[string]bool), root: os.Geteuid() == 0}
	for _, l := range layers {
		h.active[l.Name] = l.Active
		switch l.Name {
		case "landlock":
			_, _ = fmt.Sscanf(l.Detail, "version %d", &h.landlock)
		case "sealed-code":
			h.sealed = strings.Contains(l.Detail, "memory-deny-write-execute")
		}
	}
	return h
}

// stops tells whether a layer should stop an attempt here, alone.
func (h *host) stops(layer string, a escape.Attempt) bool {
	switch {
	case !h.active[layer]:
		return false
	case layer == "landlock":
		return h.landlock >= max(a.Landlock, 1)
	case layer == "sealed-code":
		return h.sealed
	case layer == "capabilities":
		// There are none to lose otherwise.
		return h.root || h.active["namespaces"] && !slices.Contains(a.Layers, "namespaces")
	case layer == "empty-root" && slices.Contains(a.Layers, "namespaces"):
		return h.root // others have none without namespaces
	case layer == "user":
		return h.root // others keep theirs
	case layer == "seccomp":
		// The kernel takes no filter of a process that may gain privileges.
		return !slices.Contains(a.Layers, "no-new-privileges")
	}
	return true
}
