package store_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// children are what this test binary does when it is started by a test.
var children = map[string]func(dir string) int{
	"hold":   holdStore,
	"open":   openStore,
	"deploy": deployForever,
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+what, "STORE_TEST_DIR="+dir)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	return cmd
}

// start runs a child and returns what it prints. It is killed at the test's
// end at the latest.
func start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return bufio.NewReader(out)
}

func openStore(dir string) int {
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		fmt.Println(errors.Is(err, fs.ErrPermission), err)
		return 0
	}
	s.Close()
	return 0
}

func holdStore(dir string) int {
	if _, err := store.Open(context.Background(), store.Options{Dir: dir}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	select {}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "hold", dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out := start(t, cmd)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("child: %q, %v", line, err)
	}
	_, err = store.Open(t.Context(), store.Options{Dir: dir})
	wantError(t, err, store.ErrInUse, dir, fmt.Sprintf("process %d ", cmd.Process.Pid))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s := open(t, dir)
	_, err = store.Open(t.Context(), store.Options{Dir: dir})
	wantError(t, err, store.ErrInUse, fmt.Sprintf("process %d ", os.Getpid()))
	reopen(t, s, dir)
}

func TestNotWritable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open(t, dir).Close()
	cmd := child(t, "open", dir)
	if os.Getuid() == 0 {
		// Permission bits do not bind root.
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for d := filepath.Dir(dir); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	out, err := io.ReadAll(start(t, cmd))
	if err != nil || !strings.HasPrefix(string(out), "true ") || !strings.Contains(string(out), dir+" is not writable (") {
		t.Errorf("opening it says %q, %v", out, err)
	}
}

func TestNotADirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		_, err := store.Open(t.Context(), store.Options{Dir: dir})
		wantError(t, err, syscall.ENOTDIR, dir, "use another directory")
	}
}

const killFunctions = 3

// killCode is what deployForever deploys as one version.
func killCode(function, version int) []byte {
	rng := rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %d", function, version)))
	code := make([]byte, rng.Uint64()%300_000)
	_, _ = rng.Read(code)
	return code
}

// deployForever deploys one version after another of several functions, and
// prints each that is acknowledged.
func deployForever(dir string) int {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := s.PutTenant(ctx, store.Tenant{Name: "acme"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	failed := make(chan error)
	for i := range killFunctions {
		go func() {
			name := fmt.Sprint("f", i)
			version := 0
			if f, err := live(s, "acme", name); err == nil {
				_, _ = fmt.Sscan(f.Policy, &version)
			}
			for {
				version++
				if _, err := replace(ctx, s, spec("acme", name, fmt.Sprint(version)), killCode(i, version), nil); err != nil {
					failed <- err
					return
				}
				// One write: a line is never torn by the kill.
				_, _ = os.Stdout.WriteString(fmt.Sprintln(i, version))
			}
		}()
	}
	fmt.Fprintln(os.Stderr, <-failed)
	return 1
}

// Deploys are killed at random moments. Afterwards each function is the last
// that was acknowledged, or the one that was under way, with its code.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := [killFunctions]int{}
	for round := range 24 {
		cmd := child(t, "deploy", dir)
		out := start(t, cmd)
		read := func() bool {
			line, err := out.ReadString('\n')
			if err != nil {
				return false
			}
			var function, version int
			if _, err := fmt.Sscan(line, &function, &version); err != nil {
				t.Fatalf("child printed %q", line)
			}
			acknowledged[function] = max(acknowledged[function], version)
			return true
		}
		for range 1 + rand.N(8) {
			if !read() {
				t.Fatal("the child ended by itself")
			}
		}
		// The moment of the kill is what varies; nothing is waited for.
		moment := time.AfterFunc(rand.N(8*time.Millisecond), func() { _ = cmd.Process.Kill() })
		for read() {
		}
		moment.Stop()
		_ = cmd.Wait()
		if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself: %v", cmd.ProcessState)
		}

		s, err := store.Open(t.Context(), store.Options{Dir: dir})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		present := 0
		for i, last := range acknowledged {
			f, err := live(s, "acme", fmt.Sprint("f", i))
			if errors.Is(err, store.ErrNotFound) && last == 0 {
				continue
			}
			if err != nil {
				t.Fatalf("round %d, version %d was acknowledged: %v", round, last, err)
			}
			all, err := s.Function("acme", f.Function)
			if err != nil {
				t.Fatal(err)
			}
			present += len(all.Versions)
			for _, v := range all.Versions { // also those that were not switched to, or not removed
				if _, err := s.Code(t.Context(), "acme", v.Digest); err != nil {
					t.Fatalf("round %d: code of version %s: %v", round, v.Policy, err)
				}
			}
			var version int
			if _, err := fmt.Sscan(f.Policy, &version); err != nil || version < last || version > last+1 {
				t.Fatalf("round %d: function %d is at version %s, %d was acknowledged", round, i, f.Policy, last)
			}
			code, err := s.Code(t.Context(), "acme", f.Digest)
			if err != nil || string(code) != string(killCode(i, version)) {
				t.Fatalf("round %d: code of version %d: %d bytes, %v", round, version, len(code), err)
			}
			acknowledged[i] = version
		}
		if damaged := s.Damaged(); len(damaged) > 0 {
			t.Fatalf("round %d: %v", round, damaged)
		}
		if restored := s.Restored(); len(restored) > 0 {
			t.Fatalf("round %d: %v", round, restored)
		}
		wantSubjects(t, s, present, present)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func descriptors(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	open := map[string]string{}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			open[e.Name()] = target
		}
	}
	return open
}

func sockets(open map[string]string) (n int) {
	for _, target := range open {
		if strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

func TestCloseLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close() // what the runtime opens once for all is open now
	goroutines, before := runtime.NumGoroutine(), descriptors(t)
	for range 3 {
		s := open(t, dir)
		putTenant(t, s, "acme")
		f := putFunction(t, s, "acme", "f", "v1", "one")
		wantCode(t, s, "acme", "f", "one")
		if n := sockets(descriptors(t)); n > sockets(before) {
			t.Errorf("the open registry has %d sockets, want none", n-sockets(before))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if got, err := live(s, "acme", "f"); err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("from memory after Close: %+v, %v", got, err)
		}
		_, err := s.Code(t.Context(), "acme", f.Digest)
		wantError(t, err, store.ErrClosed)
		_, err = s.PutTenant(t.Context(), store.Tenant{Name: "late"})
		wantError(t, err, store.ErrClosed)
		_, err = s.PutVersion(t.Context(), *f, store.Parts{})
		wantError(t, err, store.ErrClosed)
		wantError(t, s.DeleteFunction(t.Context(), "acme", "f"), store.ErrClosed)
		wantError(t, s.DeleteTenant(t.Context(), "acme"), store.ErrClosed)
	}
	// So do failures to open.
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Dir: dir}); !errors.Is(err, store.ErrNewerFormat) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ctx, store.Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}

	var after map[string]string
	deadline := time.Now().Add(10 * time.Second)
	for {
		after = descriptors(t)
		if runtime.NumGoroutine() <= goroutines && len(after) <= len(before) {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("descriptors %v, were %v; goroutines were %d, now:\n%s", after, before, goroutines, stacks[:runtime.Stack(stacks, true)])
}
