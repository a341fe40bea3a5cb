package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
)

// settle is how long files must be left alone before they are read: an editor
// saves in several steps.
const settle = 100 * time.Millisecond

// policySetter is the part of a supervisor that takes new policies.
type policySetter interface {
	SetPolicies(ctx context.Context, list []*policies.Policy) error
}

// reloader reads the configuration's policies again when their files change,
// and on SIGHUP. A file that is wrong keeps all the policies as they are.
type reloader struct {
	conf    config
	to      policySetter
	log     *slog.Logger
	watcher *fsnotify.Watcher
	hangups chan os.Signal
	// asked surrounds a reload that SIGHUP asks for.
	asked func(do func())
	done  chan struct{}
}

// watchPolicies starts a reloader. The caller closes it.
func watchPolicies(conf config, to policySetter, asked func(do func()), log *slog.Logger) (*reloader, error) {
	r := &reloader{conf: conf, to: to, log: log, asked: asked, hangups: make(chan os.Signal, 1), done: make(chan struct{})}
	var err error
	if r.watcher, err = fsnotify.NewWatcher(); err != nil {
		return nil, fmt.Errorf("watch the policies: %w", err)
	}
	if err := r.watch(); err != nil {
		return nil, errors.Join(err, r.watcher.Close())
	}
	signal.Notify(r.hangups, syscall.SIGHUP)
	go r.run()
	return r, nil
}

// watch watches every directory that holds policies: of a file, the directory
// it lies in, since editors put a new file in the old one's place. Watching
// one again does nothing.
func (r *reloader) watch() error {
	dirs, err := r.conf.policyDirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := r.watcher.Add(dir); err != nil {
			return fmt.Errorf("watch the policies in %s: %w", dir, err)
		}
	}
	return nil
}

func (r *reloader) close() error {
	signal.Stop(r.hangups)
	close(r.hangups)
	err := r.watcher.Close()
	<-r.done
	return err
}

func (r *reloader) run() {
	defer close(r.done)
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case e, ok := <-r.watcher.Events:
			if !ok {
				return
			}
			if e.Op != fsnotify.Chmod {
				timer.Reset(settle)
			}
		case err, ok := <-r.watcher.Errors:
			if !ok {
				return
			}
			// Events may have been lost: look.
			r.log.Warn("watching the policies", slog.Any("error", err))
			timer.Reset(settle)
		case _, ok := <-r.hangups:
			if !ok {
				return
			}
			r.asked(r.reload)
		case <-timer.C:
			r.reload()
		}
	}
}

func (r *reloader) reload() {
	list, err := r.conf.policies()
	if err == nil {
		err = r.to.SetPolicies(context.Background(), list)
	}
	if err == nil {
		err = r.watch()
	}
	if err == nil {
		return
	}
	attrs := []any{slog.Any("error", err)}
	var e *outcome.Error
	if errors.As(err, &e) {
		for _, p := range e.Problems {
			attrs = append(attrs, slog.String("problem", problemText(p)))
		}
	}
	r.log.Error("the policies were not reloaded; the old ones hold", attrs...)
}

func problemText(p outcome.Problem) string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d:%d: %s", p.Field, p.Line, p.Column, p.Reason)
	}
	return p.Field + ": " + p.Reason
}

// policyDirs returns the directories that the policies lie in.
func (c config) policyDirs() ([]string, error) {
	files, err := c.policyFiles()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var dirs []string
	add := func(dir string) {
		if !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	for _, path := range c.Policies {
		if path = c.path(path); isDir(path) {
			add(path) // also while it is empty
		}
	}
	for _, file := range files {
		add(filepath.Dir(file))
	}
	return dirs, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
