package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/urfave/cli/v2"
)

func testCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "test", Usage: "run functions' tests in the sandbox, with stubs for the platform APIs", ArgsUsage: "[DIR|FILE...]",
		Description: "Runs *.test.js, *.test.ts and their kin (default: all below this folder), each file in a sandbox process of its own.\n" +
			"Tests are written with bulkhead:test, or with node:test and node:assert; docs/dev.md has all of it:\n" +
			"  import { test, expect, stub } from 'bulkhead:test';\n" +
			"A platform API that no stub answers fails the test; with --real, it is the local one, under the project's policy.\n" +
			"The exit code is 1 when a test fails.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "filter", Usage: "run the tests whose full name matches this regular `EXPRESSION` of JavaScript"},
			&cli.BoolFlag{Name: "watch", Usage: "run again what a saved file changes, until Ctrl-C"},
			&cli.StringFlag{Name: "reporter", Usage: "spec, tap or junit", Value: "spec"},
			&cli.BoolFlag{Name: "real", Usage: "let platform APIs without a stub do what they do, on data that is gone afterwards"},
			&cli.StringFlag{Name: "policy", Usage: "with --real: what functions may call; goes before bulkhead.yaml", DefaultText: "compute"},
			&cli.DurationFlag{Name: "timeout", Usage: "of one test", Value: 5 * time.Second},
		}, localFlags()...),
		Action: func(c *cli.Context) error {
			if r := c.String("reporter"); !slices.Contains([]string{"spec", "tap", "junit"}, r) {
				return usagef("--reporter: %q is none of spec, tap and junit", r)
			}
			if c.Duration("timeout") <= 0 {
				return usagef("--timeout: %v is not above 0", c.Duration("timeout"))
			}
			return runTests(t, c, c.Args().Slice())
		},
	}
}

var testName = regexp.MustCompile(`\.test\.([cm]?[jt]s|[jt]sx)$`)

// findTests finds the files of tests: those that are named, and those below
// the folders that are.
func findTests(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, usagef("cannot read %s: %v", arg, plain(err))
		}
		if !info.IsDir() {
			files = append(files, filepath.Clean(arg))
			continue
		}
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && path != arg && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".")):
				return filepath.SkipDir
			case d.Type().IsRegular() && testName.MatchString(d.Name()):
				files = append(files, filepath.Clean(path))
			}
			return nil
		})
		if err != nil {
			return nil, usagef("cannot read %s: %v", arg, plain(err))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// projectOf is the project that tests belong to: of the folder that was named,
// or of the file's.
func projectOf(args []string) (*projectDir, error) {
	dir := args[0]
	if !isDir(dir) {
		dir = filepath.Dir(dir)
	}
	return openProject(dir)
}

func runTests(t *terminal, c *cli.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	files, err := findTests(args)
	if err != nil {
		return err
	}
	if len(files) == 0 && !c.Bool("watch") {
		return &usageError{message: "there are no tests in " + strings.Join(args, ", "), hint: "write one in a file NAME.test.js or NAME.test.ts, or see supervisor init --help"}
	}
	p, err := projectOf(args)
	if err != nil {
		return err
	}
	return temporary(func(dir string) (err error) {
		r := &testRunner{c: c, p: p, files: map[string]*testFile{}}
		defer r.close()
		if err := r.open(dir); err != nil {
			return err
		}
		report := newReporter(t, c.String("reporter"))
		failed, err := r.run(report, files)
		if err != nil || !c.Bool("watch") {
			if err == nil && failed {
				err = exitStatus(1)
			}
			return err
		}
		return r.watch(t, args, files)
	})
}

// watch runs again what changes, until the command's context ends.
func (r *testRunner) watch(t *terminal, args, files []string) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch files: %w", err)
	}
	defer watcher.Close()
	for {
		t.notef("waiting for a change; Ctrl-C ends")
		changed, err := r.change(watcher, files)
		if changed == nil || err != nil {
			return err
		}
		if files, err = findTests(args); err != nil {
			return err
		}
		var again []string
		for _, file := range files {
			if f := r.files[file]; f == nil || f.failed || f.dependsOn(changed) {
				again = append(again, file)
			}
		}
		if len(again) == 0 {
			continue
		}
		if _, err := r.run(newReporter(t, r.c.String("reporter")), again); err != nil {
			if r.c.Context.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// change waits until source files change and lie still again. It returns nil
// when the context ends.
func (r *testRunner) change(watcher *fsnotify.Watcher, files []string) (map[string]bool, error) {
	dirs := map[string]bool{r.p.dir: true}
	for _, file := range files {
		if abs, err := filepath.Abs(file); err == nil {
			dirs[filepath.Dir(abs)] = true
		}
		if f := r.files[file]; f != nil {
			for path := range f.depends {
				dirs[filepath.Dir(path)] = true
			}
		}
	}
	for dir := range dirs {
		if err := watcher.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("watch %s: %w", dir, err)
		}
	}
	changed := map[string]bool{}
	still := time.NewTimer(time.Hour)
	still.Stop()
	for {
		select {
		case <-r.c.Context.Done():
			return nil, nil
		case e := <-watcher.Events:
			ext := filepath.Ext(e.Name)
			if e.Op != fsnotify.Chmod && (isFunctionFile(e.Name) || testName.MatchString(e.Name) || ext == ".json" || r.read(e.Name)) {
				changed[e.Name] = true
				still.Reset(devSettle)
			}
		case err := <-watcher.Errors:
			return nil, fmt.Errorf("watch files: %w", err)
		case <-still.C:
			return changed, nil
		}
	}
}

func (r *testRunner) read(path string) bool {
	for _, f := range r.files {
		if f.depends[path] {
			return true
		}
	}
	return false
}

func (f *testFile) dependsOn(changed map[string]bool) bool {
	for path := range changed {
		if f.depends[path] {
			return true
		}
	}
	return false
}

// canceled tells whether an error is that of a command that was ended.
func canceled(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }
