package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// watchInvocations calls invoke with the event; with one that lies in a file,
// also after each save of it, until the command is ended.
func watchInvocations(t *terminal, c *cli.Context, invoke func(context.Context, json.RawMessage) error) error {
	t.lines = true
	path, inFile := strings.CutPrefix(c.String("event"), "@")
	if !inFile {
		event, err := readEvent(t, c)
		if err != nil {
			return err
		}
		return invoke(c.Context, event)
	}
	// It is watched before it is read: no save is missed.
	saves, err := watchFile(path)
	if err != nil {
		return err
	}
	defer saves.Close()
	for first := true; ; first = false {
		event, err := readEvent(t, c)
		if err != nil && first {
			return err // a misspelled name, most likely
		}
		if err == nil {
			err = invoke(c.Context, event)
		}
		if c.Context.Err() != nil {
			return nil
		}
		if err != nil {
			t.fail(err)
		}
		if !t.json {
			t.notef("waiting for a change of %s; Ctrl-C ends", path)
		}
		if again, err := saves.await(c.Context); !again {
			return err
		}
	}
}

// watch invokes a function and shows what happens.
func (t *terminal) watch(ctx context.Context, api *client.Client, tenant, function string, event json.RawMessage) error {
	r, err := api.InvokeWatched(ctx, tenant, function, event, func(h client.Happening) error {
		if t.json {
			return t.document(h)
		}
		return t.happening(h)
	})
	switch {
	case err != nil:
		return &failed{err, r, true}
	case t.json:
		return t.document(map[string]client.Result{"result": r})
	}
	return t.result(r, true)
}

// happening shows on standard error what happens in an invocation.
func (t *terminal) happening(h client.Happening) error {
	text := ""
	switch {
	case h.Log != nil:
		text = t.logLine(*h.Log)
	case h.Verdict != nil:
		var err error
		if text, err = t.verdictLine(h.Verdict); err != nil {
			return err
		}
	case h.Lost > 0:
		text = fmt.Sprintf("%d lines are missing here", h.Lost)
	default:
		return nil // a newer supervisor's
	}
	_, err := fmt.Fprintln(t.err, text)
	return err
}

// verdictLine words a host call and what the policy said of it.
func (t *terminal) verdictLine(entry []byte) (string, error) {
	var e struct {
		auditEntry
		Duration time.Duration `json:"duration_ns"`
		Sent     int64         `json:"sent"`
		Received int64         `json:"received"`
	}
	if err := json.Unmarshal(entry, &e); err != nil {
		return "", fmt.Errorf("the supervisor sent a verdict that cannot be read: %w", err)
	}
	color, let := green, e.Action == "allow" || e.Action == "audit"
	if !let {
		color = red
	}
	text := t.paint(t.errTTY, color, "["+quoteUnprintable(strings.ToUpper(e.Action))+"]") + " " + quoteUnprintable(e.API)
	if what := e.what(); what != "" {
		text += " " + what
	}
	if let {
		text += fmt.Sprintf("  %.3f ms, %s sent, %s received", millis(e.Duration), formatSize(e.Sent), formatSize(e.Received))
		if e.Error != "" {
			text += ", " + t.paint(t.errTTY, red, quoteUnprintable(e.Error))
		}
		return text, nil
	}
	rule := e.Policy + " " + e.Rule
	if e.Place != "" {
		rule += " at " + e.Place
	}
	text += "  (policy " + clean(true, rule) + ")"
	if e.Reason != "" {
		text += "  " + quoteUnprintable(e.Reason)
	}
	return text, nil
}

// fileWatch waits for saves of one file.
type fileWatch struct {
	*fsnotify.Watcher
	path string // absolute
}

func watchFile(path string) (*fileWatch, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	w, err := fsnotify.NewWatcher()
	if err == nil {
		// Its folder, since editors put a new file in the old one's place.
		if err = w.Add(filepath.Dir(abs)); err != nil {
			w.Close()
		}
	}
	if err != nil {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: fmt.Sprintf("cannot watch %s: %v", path, err), Err: err,
			Remedy: "check the file's name; if it is right, raise fs.inotify.max_user_instances or give the event without @"}
	}
	return &fileWatch{w, abs}, nil
}

// await waits until the file has changed and lies still again. It returns false
// when ctx ends.
func (w *fileWatch) await(ctx context.Context) (again bool, err error) {
	still := time.NewTimer(time.Hour)
	still.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, nil
		case e := <-w.Events:
			if e.Name == w.path && e.Op != fsnotify.Chmod && !e.Op.Has(fsnotify.Remove) && !e.Op.Has(fsnotify.Rename) {
				still.Reset(devSettle)
			}
		case err := <-w.Errors:
			return false, fmt.Errorf("watch %s: %w", w.path, err)
		case <-still.C:
			return true, nil
		}
	}
}
