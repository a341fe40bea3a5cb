package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

const (
	// devSettle is how long files must lie still before they are read: editors
	// empty a file and then write it, or put another one in its place.
	devSettle = 8 * time.Millisecond
	// devMostDirs bounds what is watched: a function with a large node_modules
	// has many folders, in which nobody edits.
	devMostDirs = 1000
)

// gateState is closed while something is being reloaded.
type gateState struct {
	mu     sync.Mutex
	closed chan struct{} // nil while it is open
}

func (g *devGate) close() {
	g.reloading.mu.Lock()
	defer g.reloading.mu.Unlock()
	if g.reloading.closed == nil {
		g.reloading.closed = make(chan struct{})
	}
}

func (g *devGate) open() {
	g.reloading.mu.Lock()
	defer g.reloading.mu.Unlock()
	if g.reloading.closed != nil {
		close(g.reloading.closed)
		g.reloading.closed = nil
	}
}

func (g *devGate) wait(ctx context.Context) {
	g.reloading.mu.Lock()
	closed := g.reloading.closed
	g.reloading.mu.Unlock()
	if closed == nil {
		return
	}
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// devFunction is a function that is built again and again.
type devFunction struct {
	projectFunction
	session *bundle.Session
	files   map[string]bool
	failed  bool
	version string
}

// assetDirs are the folders that hold static files, by their paths.
func (f projectFunction) assetDirs(project string) (dirs []string) {
	if f.Assets == "" {
		return nil
	}
	_ = filepath.WalkDir(filepath.Join(project, f.Assets), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && len(dirs) < devMostDirs {
			dirs = append(dirs, path)
		}
		return nil // what cannot be read, the reload tells
	})
	return dirs
}

// isAsset tells whether a path is below the folder of the static files.
func (f projectFunction) isAsset(project, path string) bool {
	if f.Assets == "" {
		return false
	}
	rel, err := filepath.Rel(filepath.Join(project, f.Assets), path)
	return err == nil && filepath.IsLocal(rel)
}

func (d *devServer) closeBuilds() {
	for _, f := range d.built {
		f.session.Close()
	}
}

// reload builds and deploys a function. When that fails, the version before
// stays.
func (d *devServer) reload(name string, to projectFunction, since time.Time) {
	f := d.built[name]
	if f == nil {
		f = &devFunction{session: bundle.NewSession(filepath.Join(d.p.dir, to.Path), bundle.Options{})}
		d.built[name] = f
	}
	f.projectFunction = to
	r, err := f.session.Build(d.c.Context)
	f.files = map[string]bool{}
	for _, file := range f.session.Files() {
		f.files[file] = true
	}
	if err == nil {
		var deployed string
		deployed, err = d.deploy(name, to, r)
		if err == nil {
			f.failed = false
			if deployed != f.version {
				d.out.reloaded(name, deployed, f.version == "", time.Since(since), r.Warnings)
			}
			f.version = deployed
			return
		}
	}
	f.failed = true
	if d.c.Context.Err() == nil {
		d.out.failed(name, f, err)
	}
}

func (d *devServer) deploy(name string, to projectFunction, r *bundle.Result) (version string, err error) {
	spec := to.spec(name, r)
	if to.Assets != "" {
		if spec.Assets, err = assets.ReadDir(filepath.Join(d.p.dir, to.Assets)); err != nil {
			return "", err
		}
	}
	f, err := d.Deploy(d.c.Context, spec)
	return f.Version, anonymous(err)
}

// devWatch reloads what changes.
type devWatch struct {
	d       *devServer
	watcher *fsnotify.Watcher
	done    chan struct{}
	dirs    map[string]bool
}

func (d *devServer) watch() (*devWatch, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Internal, Detail: "cannot watch files: " + err.Error(), Err: err,
			Remedy: "raise fs.inotify.max_user_instances, or end other programs that watch files"}
	}
	w := &devWatch{d: d, watcher: watcher, done: make(chan struct{}), dirs: map[string]bool{}}
	if err := w.add(); err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	go w.run()
	return w, nil
}

// add watches the folders of all files that matter: of a file, its folder,
// since editors put a new file in the old one's place.
func (w *devWatch) add() error {
	want := map[string]bool{w.d.p.dir: true}
	if dirs, err := w.d.conf.policyDirs(); err == nil {
		for _, dir := range dirs {
			want[dir] = true
		}
	}
	for _, f := range w.d.built {
		want[filepath.Join(w.d.p.dir, filepath.Dir(f.Path))] = true
		for file := range f.files {
			if len(want) < devMostDirs {
				want[filepath.Dir(file)] = true
			}
		}
		for _, dir := range f.assetDirs(w.d.p.dir) {
			if len(want) < devMostDirs {
				want[dir] = true
			}
		}
	}
	for dir := range want {
		if w.dirs[dir] {
			continue
		}
		if err := w.watcher.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &outcome.Error{Outcome: outcome.Internal, Detail: fmt.Sprintf("cannot watch %s: %v", dir, err), Err: err,
				Remedy: "raise fs.inotify.max_user_watches"}
		}
		w.dirs[dir] = true
	}
	return nil
}

func (w *devWatch) close() {
	w.watcher.Close()
	<-w.done
}

func (w *devWatch) run() {
	defer close(w.done)
	defer w.d.gate.open()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	changed := map[string]bool{}
	var since time.Time
	note := func(path string) {
		if len(changed) == 0 {
			since = time.Now()
			w.d.gate.close()
		}
		changed[path] = true
		timer.Reset(devSettle)
	}
	for {
		select {
		case e, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			if e.Op != fsnotify.Chmod && w.matters(e) {
				note(e.Name)
			}
		case err, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
			// Events may have been lost: look at everything.
			w.d.out.warn("", "watching the files: "+err.Error())
			note(filepath.Join(w.d.p.dir, projectName))
		case <-timer.C:
			// A new folder is watched before it is read, so that nothing that comes
			// into it is missed.
			if err := w.add(); err != nil {
				w.d.out.problem(err)
			}
			w.reload(changed, since)
			clear(changed)
			w.d.gate.open()
			if err := w.add(); err != nil {
				w.d.out.problem(err)
			}
		}
	}
}

// everybody are files on which all functions may depend.
var everybody = []string{"package.json", "tsconfig.json", "jsconfig.json"}

// matters tells whether a file's change can mean another function. After a
// failure that may be any file that comes, since one may have been missing.
func (w *devWatch) matters(e fsnotify.Event) bool {
	path, base := e.Name, filepath.Base(e.Name)
	if w.ofProject(path) || slices.Contains(everybody, base) {
		return true
	}
	for _, f := range w.d.built {
		if f.files[path] || f.isAsset(w.d.p.dir, path) || f.failed && (e.Op.Has(fsnotify.Create) || slices.Contains(bundle.Extensions, filepath.Ext(path))) {
			return true
		}
	}
	return false
}

// ofProject tells whether a change of a file means to read the project again.
func (w *devWatch) ofProject(path string) bool {
	p := w.d.p
	if filepath.Dir(path) == p.dir {
		base := filepath.Base(path)
		if base == projectName || p.SecretsFile != "" && base == filepath.Clean(p.SecretsFile) {
			return true
		}
		if p.found && isFunctionFile(base) {
			_, err := os.Stat(path)
			known := slices.ContainsFunc(p.names(), func(n string) bool { return p.Functions[n].Path == base })
			return known != (err == nil) // it has come, or gone
		}
	}
	dirs, err := w.d.conf.policyDirs()
	return err == nil && isPolicyFile(path) && slices.Contains(dirs, filepath.Dir(path))
}

func (w *devWatch) reload(changed map[string]bool, since time.Time) {
	all := false
	for path := range changed {
		if w.ofProject(path) {
			p, err := openProject(w.d.dir)
			if err == nil {
				err = w.d.apply(p)
			}
			if err != nil && w.d.c.Context.Err() == nil {
				w.d.out.problem(err)
			}
			return
		}
		all = all || slices.Contains(everybody, filepath.Base(path))
	}
	for _, name := range w.d.p.names() {
		f := w.d.built[name]
		if f == nil {
			continue
		}
		hit := all || f.failed
		for path := range changed {
			hit = hit || f.files[path] || f.isAsset(w.d.p.dir, path)
		}
		if hit {
			w.d.reload(name, w.d.p.Functions[name], since)
		}
	}
}
