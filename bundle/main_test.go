package bundle_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/bundle"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// sandboxes runs what these tests bundle, in the real sandbox.
var sandboxes *supervisor.Supervisor

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary := filepath.Join(dir, "sandbox")
		build := exec.Command("go", "build", "-o", binary, "../cmd/sandbox")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		sandboxes, err = supervisor.New(context.Background(), supervisor.Options{
			SandboxBinary: binary, Spares: 1, StartTimeout: time.Minute, LoadTimeout: 20 * time.Second,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			panic(err)
		}
		defer sandboxes.Close()
		return m.Run()
	}())
}

// write makes the files of an archive: "-- name --" lines, each followed by a
// file's content. It returns their folder.
func write(t testing.TB, archive string) string {
	t.Helper()
	dir := t.TempDir()
	var name string
	files := map[string]*strings.Builder{}
	for line := range strings.Lines(archive) {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok && strings.HasSuffix(inner, " --") {
			name = strings.TrimSuffix(inner, " --")
			files[name] = &strings.Builder{}
		} else if name != "" {
			files[name].WriteString(line)
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build bundles a path that must be in order.
func build(t testing.TB, path string, o bundle.Options) *bundle.Result {
	t.Helper()
	r, err := bundle.Build(t.Context(), path, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return r
}

// run runs a bundle, and returns its result and error.
func run(t testing.TB, r *bundle.Result, event string) (json.RawMessage, *outcome.Error) {
	t.Helper()
	result, err := sandboxes.Run(t.Context(), supervisor.FunctionSpec{
		Code: r.Code, SourceMap: r.SourceMap, Memory: 32 << 20, Timeout: 20 * time.Second,
	}, nil, json.RawMessage(event))
	var e *outcome.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return result.Value, e
}
