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

// Sandbox says where sandbox processes come from, and how they are locked.
type Sandbox struct {
	// Binary is the sandbox program.
	Binary string
	// CacheDir keeps the compiled engine.
	CacheDir string
	// Modes are what is asked of the layers.
	Modes confine.Modes
	// UID is the first of the user ids that processes take, if this one is
	// root.
	UID int
}

// rig starts processes to look at.
type rig struct {
	Sandbox
	starter *child.Starter
	dir     string // of their working directories
	count   atomic.Int64
}

func newRig(s Sandbox, dir string) *rig {
	return &rig{Sandbox: s, starter: child.NewStarter(), dir: dir}
}

// close is called when all processes have ended.
func (r *rig) close() { r.starter.Close() }

// try makes one attempt in a process of its own, which is started and locked as
// a supervisor's are, without some layers.
func (r *rig) try(ctx context.Context, a escape.Attempt, without []string, w escape.World) (escape.Result, error) {
	q := &escape.Request{Attempt: a.Name, World: w}
	modes := make(confine.Modes)
	for name, mode := range r.Modes {
		modes[name] = mode
	}
	for _, layer := range without {
		modes[layer] = confine.Off
	}
	if a.Filters {
		q.Unfiltered = modes.For("seccomp") == confine.Off
		modes["seccomp"] = confine.Off
	}
	config := confine.Config{Modes: modes}
	if n := r.count.Add(1); os.Geteuid() == 0 && modes.For("user") != confine.Off {
		config.UID = r.UID + int(n)
	}
	dir, err := os.MkdirTemp(r.dir, "p")
	if err != nil {
		return escape.Result{}, err
	}
	defer os.RemoveAll(dir)
	o := child.Options{Path: r.Binary, Name: "sandbox", Dir: dir}
	if modes.For("namespaces") != confine.Off {
		o.Apart = confine.Namespaces
	}
	p := r.starter.New(o)
	if err := p.Start([]string{q.Environment(), ipc.CacheDirKey + "=" + r.CacheDir, ipc.LockdownKey + "=" + config.String()}); err != nil {
		return escape.Result{}, fmt.Errorf("starting %s: %w", r.Binary, err)
	}
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, p.Kill)
	<-p.Exited()
	if !stop() {
		return escape.Result{}, fmt.Errorf("it did not end: %w", context.Cause(ctx))
	}
	return escape.Read(p.Tail(), p.How())
}

// victim starts the neighbour that attempts reach for. The caller kills it.
func (r *rig) victim() (p *child.Process, secret uint64, err error) {
	p = r.starter.New(child.Options{Path: r.Binary, Name: "sandbox", Dir: r.dir, Stdout: true})
	if err := p.Start([]string{(&escape.Request{Attempt: escape.Victim}).Environment()}); err != nil {
		return nil, 0, fmt.Errorf("starting %s: %w", r.Binary, err)
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
