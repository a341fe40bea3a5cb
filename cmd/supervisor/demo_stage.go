package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/platform/db/sqlite"
)

// stage is what the demo plays on: a supervisor process with a directory of
// its own, and a web server for its functions to fetch from.
type stage struct {
	dir        string
	web        *http.Server
	webURL     string
	supervisor *exec.Cmd
	exited     chan struct{} // closed when supervisor has been reaped
	api        *client.Client
}

const stageStart, stageStop = 30 * time.Second, 10 * time.Second

func newStage(ctx context.Context, sandbox, database string) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			_ = s.close() // The first error is the one to tell.
		}
	}()
	if s.dir, err = os.MkdirTemp("", "bulkhead-demo-"); err != nil {
		return nil, stageError("cannot make a temporary directory", err)
	}
	port, err := s.serveWeb()
	if err != nil {
		return nil, err
	}
	if err := s.write(port); err != nil {
		return nil, stageError("cannot write the demo's configuration", err)
	}
	if err := s.fillDatabase(ctx, database); err != nil {
		return nil, stageError("cannot fill the demo's database", err)
	}
	return s, s.startSupervisor(ctx, sandbox, database)
}

func stageError(what string, err error) error {
	return &outcome.Error{Outcome: outcome.Internal, Detail: what, Err: err}
}

// serveWeb starts the web server that stands for the world outside.
func (s *stage) serveWeb() (port int, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, stageError("cannot start the demo's web server", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "order %s is paid", r.PathValue("id"))
	})
	s.web = &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	s.webURL = "http://" + ln.Addr().String()
	go func() { _ = s.web.Serve(ln) }() // It ends with close.
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// write writes the configuration, with one policy for each tenant.
func (s *stage) write(port int) error {
	files := map[string]string{
		"bulkhead.yaml": "policies: policies\nmax_processes: 8\n",
		"policies/demo-webhooks.yaml": fmt.Sprintf(`version: 1
name: demo-webhooks
description: Computing, and fetch to the demo's own web server
extends: [compute]
default: deny
rules:
  - api: fetch
    action: allow
    when:
      host: ["127.0.0.1"]
      port: [%d]
      method: [GET]
    private: true
`, port),
		"policies/demo-database.yaml": `version: 1
name: demo-database
description: Computing, and the tenant's own database
extends: [compute]
default: deny
rules:
  - api: db_query
    action: allow
`,
	}
	for name, text := range files {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fillDatabase makes tenant-b's table before the supervisor opens it.
func (s *stage) fillDatabase(ctx context.Context, database string) error {
	d, err := sqlite.New(sqlite.Options{Dir: filepath.Join(s.dir, "data", "db"), Binary: database})
	if err != nil {
		return err
	}
	for _, sql := range []string{
		"CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
		"INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob')",
	} {
		if _, err := d.Run(ctx, "tenant-b", db.Statement{SQL: sql}, nil); err != nil {
			return errors.Join(err, d.Close())
		}
	}
	return d.Close()
}

// startSupervisor starts this program again, as the daemon.
func (s *stage) startSupervisor(ctx context.Context, sandbox, database string) error {
	self, err := os.Executable()
	if err != nil {
		return stageError("cannot find this program's file", err)
	}
	s.supervisor = exec.Command(self, "serve", "--json", "--listen", "127.0.0.1:0",
		"--data", filepath.Join(s.dir, "data"), "--config", filepath.Join(s.dir, "bulkhead.yaml"))
	if sandbox != "" {
		s.supervisor.Args = append(s.supervisor.Args, "--sandbox-bin", sandbox)
	}
	if database != "" {
		s.supervisor.Args = append(s.supervisor.Args, "--database-bin", database)
	}
	var stderr bytes.Buffer
	s.supervisor.Stderr = &stderr
	out, err := s.supervisor.StdoutPipe()
	if err != nil {
		return stageError("cannot start a supervisor", err)
	}
	if err := s.supervisor.Start(); err != nil {
		s.supervisor = nil
		return stageError("cannot start a supervisor", err)
	}
	s.exited = make(chan struct{})
	type answer struct {
		Listening string
		Error     failure
	}
	ready := make(chan answer, 1)
	go func() {
		var a answer
		if json.NewDecoder(out).Decode(&a) == nil {
			ready <- a
		}
		_ = s.supervisor.Wait() // close looks at the exit code.
		close(s.exited)
	}()
	var a answer
	select {
	case a = <-ready:
	case <-s.exited:
	case <-ctx.Done():
	case <-time.After(stageStart):
	}
	if a.Listening == "" {
		detail := "the demo's supervisor did not start"
		if a.Error.Detail != "" {
			detail += ": " + a.Error.Detail
		} else if err := s.stop(); err != nil {
			// Now nobody writes to stderr any more.
			detail += ": " + strings.TrimSpace(stderr.String())
		}
		return &outcome.Error{Outcome: outcome.Internal, Detail: detail, Remedy: a.Error.Remedy, Problems: a.Error.Problems}
	}
	s.api, err = client.New(a.Listening)
	return err
}

// stop ends the supervisor as an operator would, and at once if it will not.
func (s *stage) stop() error {
	if s.supervisor == nil {
		return nil
	}
	_ = s.supervisor.Process.Signal(syscall.SIGTERM) // It may have ended.
	select {
	case <-s.exited:
	case <-time.After(stageStop):
		_ = s.supervisor.Process.Kill()
		<-s.exited
	}
	state := s.supervisor.ProcessState
	s.supervisor = nil
	if !state.Success() {
		return &outcome.Error{Outcome: outcome.Internal, Detail: "the demo's supervisor ended with " + state.String()}
	}
	return nil
}

func (s *stage) close() error {
	if s.api != nil {
		s.api.Close()
	}
	err := s.stop()
	if s.web != nil {
		err = errors.Join(err, s.web.Close())
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}
