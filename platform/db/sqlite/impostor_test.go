package sqlite_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/dbtest"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
	"github.com/bulkhead-run/bulkhead/platform/db/wire"
)

// impostor is a database process that an attacker has taken over. What it does
// is in the file "mode" of its directory.
func impostor() {
	mode, err := os.ReadFile("mode")
	if err != nil {
		panic(err)
	}
	var config wire.Config
	if err := json.Unmarshal([]byte(os.Getenv(wire.ConfigKey)), &config); err != nil {
		panic(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for i := range config.Connections {
		raw, err := net.FileConn(os.NewFile(uintptr(wire.FirstSocket+i), "socket"))
		if err != nil {
			panic(err)
		}
		go misbehave(string(mode), i == 0, raw, wire.NewConn(raw, wire.MaxRequest))
	}
	select {}
}

// unlocked is the report of a process that is told to have no layer.
var unlocked = func() []byte {
	var layers []confine.Layer
	for _, name := range confine.Reported {
		layers = append(layers, confine.Layer{Name: name, Mode: confine.Off})
	}
	return confine.Report(layers)
}()

// noLayers lets an impostor serve.
var noLayers = func() confine.Modes {
	modes := make(confine.Modes)
	for _, name := range confine.Reported {
		modes[name] = confine.Off
	}
	return modes
}()

func misbehave(mode string, first bool, raw net.Conn, c *wire.Conn) {
	switch mode {
	case "mute":
		return
	case "rude hello":
		_ = c.Write(&wire.Response{Number: 7})
		return
	case "exit":
		fmt.Fprintln(os.Stderr, `{"@message":1} going down`)
		os.Exit(3)
	}
	hello := &wire.Response{}
	if first && mode != "no report" {
		hello.Lockdown = unlocked
	}
	_ = c.Write(hello)
	for {
		var q wire.Request
		if c.Read(&q) != nil {
			return
		}
		a := &wire.Response{Number: q.Number}
		rows := func(n int, row ...any) {
			a.Result = &wire.Result{Columns: make([]string, len(row))}
			for range n {
				a.Result.Rows = append(a.Result.Rows, row)
			}
		}
		if q.Op == wire.Describe {
			a.Facts = &wire.Facts{Kinds: []string{"select"}}
		}
		switch mode {
		case "garbage":
			_, _ = raw.Write([]byte("\x00\x00\x00\x04\xff\xff\xff\xff"))
			continue
		case "huge frame":
			_, _ = raw.Write(binary.BigEndian.AppendUint32(nil, 1<<31))
			continue
		case "silent":
			continue
		case "wrong number":
			a.Number++
		case "no answer":
			a.Facts = nil
		case "wrong kind":
			a.Facts = &wire.Facts{Kinds: []string{"read"}}
		case "many tables":
			a.Facts = &wire.Facts{Kinds: []string{"select"}, Tables: make([]string, wire.MaxTables+1)}
		case "long failure":
			a.Facts, a.Failure = nil, &wire.Failure{Code: "io", Message: string(make([]byte, wire.MaxMessage+1))}
		case "many rows":
			if q.Op == wire.Run {
				rows(dbtest.MaxRows+1, int64(1))
			}
		case "large result":
			if q.Op == wire.Run {
				rows(2, string(make([]byte, dbtest.MaxResult)))
			}
		case "ragged":
			if q.Op == wire.Run {
				rows(1, int64(1))
				a.Result.Columns = nil
			}
		case "nested":
			if q.Op == wire.Run {
				rows(1, []any{[]any{}})
			}
		case "open":
			a.Open = true
		case "second report":
			a.Lockdown = unlocked
		case "never within":
			a.Facts = &wire.Facts{Kinds: []string{"delete"}, Writes: true}
		}
		if c.Write(a) != nil {
			return
		}
	}
}

func TestImpostors(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for mode, c := range map[string]struct {
		code      string
		violation bool
	}{
		"exit": {db.CodeUnavailable, false}, "rude hello": {db.CodeUnavailable, true},
		"garbage": {db.CodeUnavailable, true}, "huge frame": {db.CodeUnavailable, true}, "wrong number": {db.CodeUnavailable, true},
		"no answer": {db.CodeUnavailable, true}, "wrong kind": {db.CodeUnavailable, true}, "many tables": {db.CodeUnavailable, true},
		"long failure": {db.CodeUnavailable, true}, "many rows": {db.CodeUnavailable, true}, "large result": {db.CodeUnavailable, true},
		"no report": {db.CodeUnavailable, true}, "second report": {db.CodeUnavailable, true},
		"ragged": {db.CodeUnavailable, true}, "nested": {db.CodeUnavailable, true}, "never within": {db.CodeLocked, false},
	} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir, mode)
			e, err := sqlite.New(sqlite.Options{Dir: dir, Binary: self, Layers: noLayers, MaxRows: dbtest.MaxRows, MaxResult: dbtest.MaxResult})
			if err != nil {
				t.Fatal(err)
			}
			f := dbtest.Open(t, db.New(e))
			_, err = f.Do(t.Context(), t, "db.query", "SELECT 1")
			dbtest.WantError(t, err, "DatabaseError", c.code, "")
			if s := e.Stats(); (s.Violations == 1) != c.violation {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A process that says nothing is killed at the deadline and its grace.
func TestSilentImpostors(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"mute", "silent"} {
		dir := t.TempDir()
		put(t, dir, mode)
		e, err := sqlite.New(sqlite.Options{Dir: dir, Binary: self, Layers: noLayers, Grace: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		f := dbtest.Open(t, db.New(e))
		until(t, "the process is killed", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := f.Do(ctx, t, "db.query", "SELECT 1")
			var pe *platform.Error
			if !errors.As(err, &pe) || pe.Name != "TimeoutError" {
				t.Errorf("%s: %v", mode, err)
			}
			return mode == "mute" || e.Stats().Killed > 0 // a mute one never began
		})
	}
}

func put(t *testing.T, dir, mode string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "mode"), []byte(mode), 0o600); err != nil {
		t.Fatal(err)
	}
}
