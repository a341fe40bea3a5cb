package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// server is the administrator's connection URL without the database, of a
// server that the tests started; missing says why there is none.
var (
	server  string
	missing string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bulkhead-pg-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		stop, err := startServer(dir)
		if err != nil {
			missing = err.Error()
		} else {
			defer stop()
		}
		goroutines := runtime.NumGoroutine()
		code := m.Run()
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if runtime.NumGoroutine() <= goroutines {
				return code
			}
		}
		buf := make([]byte, 1<<20)
		fmt.Printf("left: %d goroutines (%d before)\n%s\n", runtime.NumGoroutine(), goroutines, buf[:runtime.Stack(buf, true)])
		return 1
	}())
}

// find returns one of PostgreSQL's programs.
func find(name string) string {
	installed, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(installed) > 0 {
		return installed[len(installed)-1]
	}
	path, _ := exec.LookPath(name)
	return path
}

// startServer starts a server of its own in dir, as somebody who is not root.
func startServer(dir string) (stop func(), err error) {
	initdb, postgres := find("initdb"), find("postgres")
	if initdb == "" || postgres == "" {
		return nil, fmt.Errorf("PostgreSQL is not installed: initdb and postgres are neither in /usr/lib/postgresql/*/bin nor in PATH (Debian: apt-get install postgresql)")
	}
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		const nobody = 65534 // PostgreSQL refuses to run as root
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: true}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			return nil, err
		}
	}
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.SysProcAttr = dir, attributes
		cmd.Env = []string{"LC_ALL=C.UTF-8", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := run(initdb, "-D", data, "-U", "admin", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	// Tenants need their passwords.
	hba := "local all admin trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		return nil, err
	}
	// The parent-death signal comes when the thread ends that started it.
	started := make(chan error)
	ended := make(chan struct{})
	cmd := run(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=16MB")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stderr, cmd.Stdout = log, log
	finish := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		started <- cmd.Start()
		<-finish
		_ = cmd.Wait() // it was told to end
	}()
	if err := <-started; err != nil {
		close(finish)
		return nil, err
	}
	server = "host=" + dir + " user=admin dbname="
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // a fast shutdown
		close(finish)
		<-ended
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, server+"postgres")
		if err == nil {
			err = conn.Close(ctx)
			cancel()
			return stop, err
		}
		cancel()
		if time.Now().After(deadline) {
			stop()
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			return nil, fmt.Errorf("the server does not start: %w: %s", err, text)
		}
	}
}

// databases counts those that the tests made.
var databases int

// newDatabase makes an empty database and returns the administrator's URL.
func newDatabase(t testing.TB) string {
	t.Helper()
	if missing != "" {
		t.Skip(missing)
	}
	admin, err := pgx.Connect(t.Context(), server+"postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	databases++
	name := "test_" + strconv.Itoa(databases)
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	// Roles are the server's, not a database's: none keeps what it had before.
	rows, err := admin.Query(t.Context(), "SELECT rolname FROM pg_roles WHERE rolname LIKE 'bulkhead%'")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || strings.Contains(strings.Join(names, ""), `"`) {
		t.Fatal(names, err)
	}
	return server + name
}
