package escape

import (
	"slices"
	"strings"
)

// Attempt is one thing that a compromised sandbox would like to do.
type Attempt struct {
	// Name is short and unique, like "map-rwx".
	Name string
	// Group is "files", "network", "processes", "memory", "kernel" or
	// "privileges".
	Group string
	// Does says what is tried, in a few words.
	Does string
	// Layers are those of the lock-down that stop it, each for itself.
	Layers []string
	// Landlock is the version from which Landlock does, where that is among
	// Layers.
	Landlock int
	// try fails when the attempt was refused.
	try func(w *World) error
	// Filters: what is tried is tried in further processes, and puts them under
	// seccomp itself. Its own process must be without.
	Filters bool
}

// World is what attempts reach for in the world outside. All of it is made for
// them.
type World struct {
	Dir      string `json:"dir,omitempty"`      // a directory to write to
	TCP      int    `json:"tcp,omitempty"`      // a port on 127.0.0.1 that accepts
	UDP      int    `json:"udp,omitempty"`      // a port on 127.0.0.1
	Socket   string `json:"socket,omitempty"`   // the path of a unix socket
	Abstract string `json:"abstract,omitempty"` // the name of an abstract one
	Parent   int    `json:"parent,omitempty"`   // the process that started this one
	Victim   int    `json:"victim,omitempty"`   // another process of its user
	Secret   uint64 `json:"secret,omitempty"`   // where it keeps Treasure

	profile    []byte // the process's own
	unfiltered bool   // the process was asked to do without seccomp
	note       string // what is to be said of an attempt that worked
}

// Treasure is what the victim keeps in its memory.
const Treasure = "the neighbour's secret"

// Attempts returns all of them, in the order of their groups.
func Attempts() []Attempt {
	return slices.Concat(files, network, processes, memory, kernel, machine, privileges)
}

// find returns the attempt of a name.
func find(name string) (Attempt, bool) {
	all := Attempts()
	i := slices.IndexFunc(all, func(a Attempt) bool { return a.Name == name })
	if i < 0 {
		return Attempt{}, false
	}
	return all[i], true
}

// cString is s as the kernel reads it.
func cString(s string) []byte { return []byte(strings.ReplaceAll(s, "\x00", "") + "\x00") }
