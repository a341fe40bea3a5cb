package supervisor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-run/bulkhead/supervisor"
)

const victimKey = "BULKHEAD_TEST_VICTIM"

// runVictim is a supervisor that waits to be killed. It prints the ids of its
// sandbox processes.
func runVictim() {
	ctx := context.Background()
	fail := func(err error) {
		fmt.Println(err)
		os.Exit(1)
	}
	s, err := supervisor.New(ctx, supervisor.Options{SandboxBinary: os.Getenv(victimKey), Layers: fakeLayers, CacheDir: os.TempDir(), Logger: slog.New(slog.DiscardHandler), Spares: 1})
	if err != nil {
		fail(err)
	}
	if _, err := s.PutTenant(ctx, supervisor.Tenant{Name: "acme"}); err != nil {
		fail(err)
	}
	for _, code := range []string{"freeze\nhang", "hang"} {
		// One process that computes, one that is stopped and can do nothing.
		go func() {
			_, _ = s.Run(ctx, supervisor.FunctionSpec{Code: "log info up\n" + code, Timeout: supervisor.DefaultTimeout * 5}, nil, nil)
		}()
	}
	_, err = s.Deploy(ctx, supervisor.FunctionSpec{Tenant: "acme", Function: "f", Code: "pid"})
	if err != nil {
		fail(err)
	}
	if _, err = s.Invoke(ctx, "acme", "f", nil); err != nil {
		fail(err)
	}
	fmt.Println("ready")
	select {}
}

// However the supervisor dies, no process of it is left.
func TestSupervisorIsKilled(t *testing.T) {
	noLeaks(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	temporary := t.TempDir()
	cmd.Env = append(os.Environ(), victimKey+"="+fakeBinary(t), "TMPDIR="+temporary)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Errorf("the victim says %q, %v", line, err)
	}
	var orphans []string
	eventually(t, "four processes run", func() bool {
		orphans = nil
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			orphans = append(orphans, strings.Fields(string(text))...)
		}
		return len(orphans) >= 4
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range orphans {
		eventually(t, "process "+pid+" is gone", func() bool {
			status, err := os.ReadFile("/proc/" + pid + "/stat")
			return err != nil || strings.Contains(string(status), ") Z ")
		})
	}
	// Its directory is left behind; the next supervisor removes it.
	base := os.Getenv("XDG_RUNTIME_DIR")
	if left, _ := filepath.Glob(filepath.Join(base, "bh-*")); len(left) != 1 {
		t.Errorf("directories of the dead supervisor: %v", left)
	}
	s, err := supervisor.New(t.Context(), supervisor.Options{SandboxBinary: fakeBinary(t), Layers: fakeLayers, CacheDir: t.TempDir(), Spares: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkInvoke(b *testing.B) {
	path, err := realBinary()
	if err != nil {
		b.Fatal(err)
	}
	s := open(b, func(o *supervisor.Options) { o.SandboxBinary, o.CacheDir, o.MaxProcesses = path, "", 10_000 })
	b.Run("warm", func(b *testing.B) {
		deploy(b, s, "acme", "f", "async (e) => ({id: e.id})")
		event := json.RawMessage(`{"id": 7}`)
		for b.Loop() {
			if _, err := s.Invoke(context.Background(), "acme", "f", event); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cold", func(b *testing.B) {
		n := 0
		for b.Loop() {
			b.StopTimer()
			n++
			tenant := fmt.Sprintf("tenant-%d", n)
			deploy(b, s, tenant, "f", "async (e) => 1")
			eventually(b, "a spare is there", func() bool { return s.Stats().Spares == 1 })
			b.StartTimer()
			if _, err := s.Invoke(context.Background(), tenant, "f", nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
