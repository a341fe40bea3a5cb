package doctor

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/escape"
	"github.com/bulkhead-run/bulkhead/ipc"
)

// trialTimeout is how long one process may take.
const trialTimeout = 30 * time.Second

// Target is what is attacked.
type Target struct {
	// Sandbox and Database are the programs. Database may be left out.
	Sandbox, Database string
	// CacheDir keeps the compiled engine.
	CacheDir string
	// Modes are what is asked of the layers.
	Modes confine.Modes
	// UID is the first of the user ids that sandbox processes take, if this one
	// is root.
	UID int
}

// program is one of a target's.
type program struct {
	path, name string
	modes      confine.Modes
}

func (t Target) sandbox() program { return program{t.Sandbox, "sandbox", t.Modes} }

// database keeps its supervisor's user, to whom its files belong.
func (t Target) database() program {
	return program{t.Database, "database", t.Modes.Without("user")}
}

// rig starts processes to look at.
type rig struct {
	Target
	starter *child.Starter
	dir     string // of their working directories
	count   atomic.Int64
}

func newRig(t Target, dir string) *rig {
	return &rig{Target: t, starter: child.NewStarter(), dir: dir}
}

// close is called when all processes have ended.
func (r *rig) close() { r.starter.Close() }

// try makes one attempt in a process of its own, which is started and locked as
// a supervisor's are, without some layers.
func (r *rig) try(ctx context.Context, p program, a escape.Attempt, without []string, w escape.World) (escape.Result, error) {
	modes := p.modes.Without(without...)
	q := &escape.Request{Attempt: a.Name, World: w}
	if a.Filters {
		q.Unfiltered = modes.For("seccomp") == confine.Off
		modes = modes.Without("seccomp")
	}
	q.Lockdown.Modes = modes
	if n := r.count.Add(1); os.Geteuid() == 0 && modes.For("user") != confine.Off {
		q.Lockdown.UID = r.UID + int(n)
	}
	dir, err := os.MkdirTemp(r.dir, "p")
	if err != nil {
		return escape.Result{}, err
	}
	defer os.RemoveAll(dir)
	o := child.Options{Path: p.path, Name: p.name, Dir: dir}
	if modes.For("namespaces") != confine.Off {
		o.Apart = confine.Namespaces
	}
	process := r.starter.New(o)
	if err := process.Start([]string{q.Environment(), ipc.CacheDirKey + "=" + r.CacheDir}); err != nil {
		return escape.Result{}, fmt.Errorf("starting %s: %w", p.path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, process.Kill)
	<-process.Exited()
	if !stop() {
		return escape.Result{}, fmt.Errorf("it did not end: %w", context.Cause(ctx))
	}
	return escape.Read(process.Tail(), process.How())
}

// victim starts the neighbour that attempts reach for. The caller kills it.
func (r *rig) victim() (p *child.Process, secret uint64, err error) {
	p = r.starter.New(child.Options{Path: r.Sandbox, Name: "sandbox", Dir: r.dir, Stdout: true})
	if err := p.Start([]string{(&escape.Request{Attempt: escape.Victim}).Environment()}); err != nil {
		return nil, 0, fmt.Errorf("starting %s: %w", r.Sandbox, err)
	}
	line, err := bufio.NewReader(p.Stdout()).ReadString('\n')
	if err == nil {
		var pid int
		_, err = fmt.Sscan(line, &pid, &secret)
	}
	if err != nil {
		p.Kill()
		<-p.Exited()
		return nil, 0, fmt.Errorf("the process that attempts reach for: %w (%s)", err, p.Obituary())
	}
	return p, secret, nil
}
