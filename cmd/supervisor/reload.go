package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// settle is how long files must be left alone before they are read: an editor
// saves in several steps.
const settle = 100 * time.Millisecond

// reloadable is the part of a supervisor that takes new settings.
type reloadable interface {
	SetPolicies(ctx context.Context, list []*policies.Policy) error
	SetTiers(ctx context.Context, tiers map[string]supervisor.Tier) error
}

// reloader reads the configuration again on SIGHUP, and its policies also when
// their files change. A file that is wrong leaves all as it is.
type reloader struct {
	conf     config
	started  config // the file as it was when serve started
	to       reloadable
	setLevel func(config)
	log      *slog.Logger
	watcher  *fsnotify.Watcher
	hangups  chan os.Signal
	asked    func(do func())
	done     chan struct{}
}

// watchConfig starts a reloader; setLevel puts a configuration's log level in
// force, asked surrounds a reload that SIGHUP asks for. The caller closes it.
func watchConfig(conf config, to reloadable, setLevel func(config), asked func(do func()), log *slog.Logger) (*reloader, error) {
	r := &reloader{conf: conf, to: to, setLevel: setLevel, log: log, asked: asked, hangups: make(chan os.Signal, 1), done: make(chan struct{})}
	var err error
	if r.watcher, err = fsnotify.NewWatcher(); err != nil {
		return nil, fmt.Errorf("watch the policies: %w", err)
	}
	if conf.file != "" {
		// Without the flags, which conf has.
		r.started, _ = loadConfig(conf.file)
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
			r.report("the policies were not reloaded; the old ones hold", r.reloadPolicies())
		}
	}
}

// reload takes over what of the configuration can change while serve runs.
func (r *reloader) reload() {
	next := r.conf
	if r.conf.file != "" {
		var err error
		if next, err = loadConfig(r.conf.file); err != nil {
			r.report("the configuration was not reloaded; the old one holds", err)
			return
		}
	}
	old := r.conf
	r.conf.Policies, r.conf.Tiers, r.conf.LogLevel = next.Policies, next.Tiers, next.LogLevel
	// New policies first, since tiers may name them.
	err := r.reloadPolicies()
	if err == nil {
		err = r.to.SetTiers(context.Background(), r.conf.tiers())
	}
	if err != nil {
		r.conf = old
		r.report("the configuration was not taken over; the old one holds", errors.Join(err, r.reloadPolicies()))
		return
	}
	r.setLevel(r.conf)
	if keys := r.started.differs(next); len(keys) > 0 {
		r.log.Warn("what has changed in the configuration beside policies, tiers and log_level needs a restart", slog.Any("keys", keys))
	}
	r.log.Info("configuration reloaded")
}

func (r *reloader) reloadPolicies() error {
	list, err := r.conf.policies()
	if err != nil {
		return err
	}
	if err := r.to.SetPolicies(context.Background(), list); err != nil {
		return err
	}
	return r.watch()
}

// differs returns the keys in which two configurations differ, of those that a
// reload does not take over.
func (c config) differs(other config) (keys []string) {
	a, b := reflect.ValueOf(c), reflect.ValueOf(other)
	for i := range a.NumField() {
		key := a.Type().Field(i).Tag.Get("yaml")
		if key == "" || key == "policies" || key == "tiers" || key == "log_level" {
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}

// report logs what is wrong with the configuration, if anything is.
func (r *reloader) report(message string, err error) {
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
	r.log.Error(message, attrs...)
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
