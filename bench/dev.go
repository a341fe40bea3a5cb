package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const saves = 40

// reloads measures, in `supervisor dev`, the time from saving a file to the
// first answer of the new code: one that imports another, in TypeScript.
func reloads(b *bench) (err error) {
	dir := b.path("dev")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	save := func(n int) error {
		return os.WriteFile(filepath.Join(dir, "number.ts"), fmt.Appendf(nil, "export const number: number = %d;\n", n), 0o644)
	}
	if err := errors.Join(save(0), os.WriteFile(filepath.Join(dir, "f.ts"), []byte("import { number } from './number';\nexport default () => number;\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "bulkhead.yaml"), []byte("functions: {f: {path: f.ts}}\n"), 0o644)); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, b.path("supervisor"), "dev", dir, "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cmd.Process.Signal(syscall.SIGINT), cmd.Wait()) }()
	lines := bufio.NewReader(out)
	var ready struct{ Type, URL string }
	for ready.Type != "ready" {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("dev did not start: %w", err)
		}
		if err := json.Unmarshal(line, &ready); err != nil {
			return err
		}
	}
	go io.Copy(io.Discard, lines)
	var took []time.Duration
	for n := 1; n <= saves; n++ {
		start := time.Now()
		if err := save(n); err != nil {
			return err
		}
		for {
			response, err := http.Post(ready.URL+"/v1/tenants/local/functions/f/invoke", "application/json", nil)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				return err
			}
			if strings.TrimSpace(string(body)) == fmt.Sprint(n) {
				break
			}
			if time.Since(start) > 30*time.Second {
				return fmt.Errorf("save %d: the answer stays %s", n, body)
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	b.add("dev: from saving a file to the first answer of the new code, p50", "<= 100 ms", p50 <= 100*time.Millisecond, "%.0f ms (p99 %.0f ms)",
		float64(p50.Microseconds())/1000, float64(p99.Microseconds())/1000)
	return nil
}
