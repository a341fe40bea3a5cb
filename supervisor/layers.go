package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// Layer is one part of the sandbox processes' lock-down, and what became of it.
type Layer = confine.Layer

// LayerModes say what is done about each layer: "required", "preferred" or
// "off", by the layer's name.
type LayerModes = confine.Modes

// DefaultSandboxUID is the first of the user ids that sandbox processes take
// when the supervisor is root. systemd gives out none from there on.
const DefaultSandboxUID = 0x7000_0000

// maxSandboxUID leaves room for the ids that follow.
const maxSandboxUID = 0x7fff_0000

// Layers returns what became of the lock-down of the sandbox process that was
// started last. All that serve tenants have the layers that are required.
func (s *Supervisor) Layers() []Layer { return slices.Clone(s.layers.current()) }

// Remedy says what an operator can do about a layer that is missing.
func Remedy(layer string) string { return confine.Remedy(layer) }

// Probe starts one sandbox process as a supervisor with these options would,
// ends it, and returns what became of each layer of its lock-down. A required
// layer that is not active is told in the report, and is no error. The registry is
// not opened.
func Probe(ctx context.Context, o Options) ([]Layer, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bulkhead-")
	if err != nil {
		return nil, internal("", "", "no temporary directory", err)
	}
	defer os.RemoveAll(dir)
	o.CacheDir = o.cacheDir(orDefault(o.DataDir, dir), o.DataDir == "")
	if err := os.MkdirAll(o.CacheDir, 0o700); err != nil {
		o.CacheDir = dir
	}
	s := &Supervisor{o: o, log: o.Logger}
	s.tierMap.Store(&s.o.Tiers)
	if s.runtime, err = newRuntimeDir(); err != nil {
		return nil, internal("", "", err.Error(), err)
	}
	defer s.runtime.close()
	s.starter = child.NewStarter()
	defer s.starter.Close()
	p, err := s.launch(ctx, max(o.StartTimeout, firstStartTimeout))
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Err: err}
	}
	p.Kill()
	p.watch(func(*process) {})
	return p.layers, nil
}

// layerState is what is known of the processes' layers, and the user ids that
// they have.
type layerState struct {
	mu   sync.Mutex
	last []Layer
	uids map[int]bool
}

func (l *layerState) current() []Layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *layerState) set(layers []Layer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = layers
}

// takeUID returns an id from first on that no process has.
func (l *layerState) takeUID(first int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uids == nil {
		l.uids = make(map[int]bool)
	}
	for l.uids[first] {
		first++
	}
	l.uids[first] = true
	return first
}

func (l *layerState) returnUID(uid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.uids, uid)
}

// lockdown is what the next process is told. The caller gives a user id back
// when the process has been reaped.
func (s *Supervisor) lockdown() confine.Config {
	c := confine.Config{Modes: s.o.Layers}
	if os.Geteuid() == 0 && c.Modes.For("user") != confine.Off {
		c.UID = s.layers.takeUID(s.o.SandboxUID)
	}
	return c
}

// report reads what became of the layers of a process that has just been
// connected, and looks from outside whether it is so.
func (s *Supervisor) report(c *child.Process, files *ipc.FileSender, config confine.Config, deadline time.Time) ([]Layer, error) {
	text, err := files.Report(deadline, confine.MaxReport)
	if err != nil {
		return nil, err
	}
	layers, err := confine.ParseReport(text, config.Modes)
	if err != nil {
		return nil, err
	}
	for n := range layers {
		if l := &layers[n]; l.Name == "namespaces" && !l.Active && c.NotApart() != nil {
			l.Detail = "the kernel refuses them: " + c.NotApart().Error()
		}
	}
	if err := confine.Verify(c.PID(), layers, config); err != nil {
		return nil, fmt.Errorf("its lock-down is not what it reports: %w", err)
	}
	return confine.WithCgroup(layers, config.Modes, s.o.noCgroup()), nil
}

// missing makes the operator's error of required layers that are not there.
func missing(err error) error {
	var m *confine.MissingError
	if !errors.As(err, &m) {
		return err
	}
	e := &outcome.Error{Outcome: outcome.Invalid, Err: err, Detail: "a required layer of the sandboxes' lock-down is missing"}
	var remedies []string
	for _, l := range m.Layers {
		e.Problems = append(e.Problems, outcome.Problem{Field: "layers." + l.Name, Reason: l.Detail})
		remedies = append(remedies, l.Name+": "+confine.Remedy(l.Name))
	}
	e.Remedy = strings.Join(remedies, "; ") + "; or make it preferred"
	return e
}
