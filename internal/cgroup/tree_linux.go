package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Auto, as Open's parent, is the group that the supervisor itself runs in, if
// systemd has delegated it.
const Auto = "auto"

// ErrUnavailable is what Open fails with when the machine, or whoever started
// the supervisor, has no group to give. Any other failure is a mistake in what
// was asked for.
var ErrUnavailable = errors.New("no control group to use")

var errNotV2 = errors.New("it is not in a cgroup2 file system (v1 is not supported)")

// wanted are the controllers that limits need.
var wanted = []string{"cpu", "memory", "pids"}

// leaf is where the supervisor moves to, as systemd's DelegateSubgroup does.
const leaf = "supervisor"

// leafWeight is what the supervisor's processor time weighs beside a group's,
// whose usual weight is 100: it serves all of them.
const leafWeight = "1000"

// kinds are what groups are made for: the first part of their names.
var kinds = []string{"sandbox", "database"}

// Tree is a directory of groups that belongs to one supervisor. Its methods may
// be called from many goroutines. The caller closes it, after all of its
// groups.
type Tree struct {
	path    string
	dir     *os.File // locked
	active  []string
	missing []string
	last    atomic.Uint64
}

// Open takes a directory of a cgroup2 file system over: it moves this process
// into a leaf if it runs there, removes what another supervisor left, killing
// what runs in it, and has the controllers apply that are there. It fails when
// another supervisor uses the directory, or when other processes are in it.
func Open(parent string) (_ *Tree, err error) {
	if parent == Auto {
		if parent, err = delegated(); err != nil {
			return nil, err
		}
	} else if err := os.Mkdir(parent, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("the control group %s: %w", parent, err)
	}
	t := &Tree{path: parent}
	if err := t.open(); err != nil {
		if t.dir != nil {
			_ = t.dir.Close()
		}
		return nil, fmt.Errorf("the control group %s: %w", parent, err)
	}
	return t, nil
}

func (t *Tree) open() (err error) {
	var kind unix.Statfs_t
	if err := unix.Statfs(t.path, &kind); err != nil {
		return err
	}
	if kind.Type != unix.CGROUP2_SUPER_MAGIC {
		return errNotV2
	}
	if t.dir, err = os.Open(t.path); err != nil {
		return err
	}
	if err := unix.Flock(int(t.dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.New("another supervisor uses it")
	}
	if err := t.sweep(); err != nil {
		return err
	}
	if err := t.leave(); err != nil {
		return err
	}
	return t.enable()
}

// sweep removes the groups that are left of a supervisor that was killed.
func (t *Tree) sweep() error {
	entries, err := os.ReadDir(t.path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		kind, number, _ := strings.Cut(e.Name(), "-")
		if _, err := strconv.ParseUint(number, 10, 64); err != nil || !e.IsDir() || !slices.Contains(kinds, kind) {
			continue
		}
		g, err := openGroup(filepath.Join(t.path, e.Name()))
		if err == nil {
			err = errors.Join(g.Kill(), g.Remove())
		}
		if err != nil {
			return fmt.Errorf("left over from before: %w", err)
		}
	}
	return nil
}

// leave moves this process out of the directory, if it is in there.
func (t *Tree) leave() error {
	pids, err := t.read("cgroup.procs")
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	for _, pid := range strings.Fields(pids) {
		if pid != self {
			return fmt.Errorf("process %s is in it; the group must be the supervisor's alone", pid)
		}
		into := filepath.Join(t.path, leaf)
		if err := os.Mkdir(into, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := write(filepath.Join(into, "cgroup.procs"), self); err != nil {
			return err
		}
	}
	return nil
}

// enable has the controllers apply to the groups, as far as there are any.
func (t *Tree) enable() error {
	there, err := t.read("cgroup.controllers")
	if err != nil {
		return err
	}
	t.missing = lacking(there)
	for _, c := range wanted {
		if slices.Contains(t.missing, c) {
			continue
		}
		if err := write(filepath.Join(t.path, "cgroup.subtree_control"), "+"+c); err != nil {
			return fmt.Errorf("the controller %s: %w", c, err)
		}
		t.active = append(t.active, c)
	}
	on, err := t.read("cgroup.subtree_control")
	for _, c := range t.active {
		if err == nil && !slices.Contains(strings.Fields(on), c) {
			err = fmt.Errorf("the controller %s was switched on and is off", c)
		}
	}
	if err != nil || !t.Has("cpu") {
		return err
	}
	err = write(filepath.Join(t.path, leaf, "cpu.weight"), leafWeight)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it runs elsewhere
	}
	return err
}

// Path is the directory.
func (t *Tree) Path() string { return t.path }

// Has reports whether a controller applies: "cpu", "memory" or "pids".
func (t *Tree) Has(controller string) bool { return slices.Contains(t.active, controller) }

// Missing are the controllers that do not apply, since the directory has not
// been given them.
func (t *Tree) Missing() []string { return t.missing }

// New makes a group of a kind, "sandbox" or "database". The caller removes it.
func (t *Tree) New(kind string) (*Group, error) {
	path := filepath.Join(t.path, fmt.Sprintf("%s-%d", kind, t.last.Add(1)))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, fmt.Errorf("a control group: %w", err)
	}
	g, err := openGroup(path)
	if err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	g.tree = t
	return g, nil
}

// Close gives the directory back. The supervisor stays in its leaf.
func (t *Tree) Close() error { return t.dir.Close() }

func (t *Tree) read(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(t.path, name))
	return string(data), err
}

// write writes a control file: they are neither created nor truncated.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
