package plugins

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/platform"
)

// What the package does when its Options do not say.
const (
	DefaultMaxConcurrent = 16
	DefaultStartTimeout  = 5 * time.Second
)

// Options configure Open. Dir is needed; zero values mean the defaults.
type Options struct {
	// Dir holds the plugins: every executable file in it is one, hidden ones
	// aside. Neither it nor a plugin may be writable by others.
	Dir string
	// Taken are the names of the APIs that exist already.
	Taken []string
	// MaxConcurrent is how many calls one tenant has in one plugin at once,
	// and a quarter of what all tenants have; further ones wait.
	MaxConcurrent int
	// StartTimeout is how long a plugin may take to be ready.
	StartTimeout time.Duration
	// Logger gets what plugins write, and what becomes of them. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// Plugins are the running plugins of a folder. The methods may be called from
// many goroutines.
type Plugins struct {
	list    []*plugin
	starter *child.Starter
	end     context.CancelFunc
	wait    sync.WaitGroup
}

// Open starts the plugins and returns when all are ready. The error names the
// plugin that is not, and why; nothing runs then. The caller closes it.
func Open(ctx context.Context, o Options) (*Plugins, error) {
	if o.MaxConcurrent <= 0 {
		o.MaxConcurrent = DefaultMaxConcurrent
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	paths, err := find(o.Dir)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	p := &Plugins{starter: child.NewStarter(), end: end}
	ready := make([]chan error, len(paths))
	for i, path := range paths {
		one := newPlugin(path, o, p.starter)
		p.list = append(p.list, one)
		ready[i] = make(chan error, 1)
		p.wait.Go(func() { one.run(life, ready[i]) })
	}
	for i := range ready {
		select {
		case fault := <-ready[i]:
			if fault != nil {
				err = errors.Join(err, fmt.Errorf("plugin %s: %w", paths[i], fault))
			}
		case <-ctx.Done():
			p.Close()
			return nil, ctx.Err()
		}
	}
	if err == nil {
		err = p.checkNames(o.Taken)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// checkNames holds the plugins' names against those of others.
func (p *Plugins) checkNames(taken []string) error {
	taken = slices.Clone(taken)
	var errs []error
	for _, one := range p.list {
		for _, api := range one.apis {
			if err := platform.CheckName(api.Name, taken); err != nil {
				errs = append(errs, fmt.Errorf("plugin %s: %w", one.path, err))
			}
			taken = append(taken, api.Name)
		}
	}
	return errors.Join(errs...)
}

// APIs returns what the plugins offer, in the order of their files' names.
func (p *Plugins) APIs() []platform.API {
	var list []platform.API
	for _, one := range p.list {
		list = append(list, one.apis...)
	}
	return list
}

// Source returns the name of the plugin that offers an API, or "".
func (p *Plugins) Source(api string) string {
	for _, one := range p.list {
		if slices.ContainsFunc(one.apis, func(a platform.API) bool { return a.Name == api }) {
			return one.name
		}
	}
	return ""
}

// Close ends the plugins: each is asked to, has a second, and is killed. Calls
// on their way fail.
func (p *Plugins) Close() {
	p.end()
	p.wait.Wait()
	p.starter.Close()
}

// find returns the plugins in dir.
func find(dir string) ([]string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the folder of plugins: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || strings.HasPrefix(e.Name(), ".") || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		if err := private(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the folder of plugins %s has no executable file", dir)
	}
	return paths, nil
}

// private refuses what others could replace by a program of theirs.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("%s is writable by every user, who could run programs as this one: chmod o-w", path)
	}
	return nil
}
