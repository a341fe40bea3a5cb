package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	handler = `export default {
	async fetch(request) {
		const url = new URL(request.url);
		return Response.json({ path: url.pathname, n: Number(url.searchParams.get('n')) + 1 });
	},
};
`
	echo       = `export default { fetch: (request) => new Response(request.body) }`
	clients    = 32
	throughput = 3 * time.Second
	streamed   = 100 << 20
)

// web is something that answers HTTP requests.
type web struct{ addr, path, header string }

// functionsOverHTTP measures functions that answer HTTP requests, beside workerd.
func functionsOverHTTP(b *bench) error {
	s, functions, err := b.serveFunctions()
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.deploy("web", code{source: handler, settings: "concurrency=32"}); err != nil {
		return err
	}
	// Before there is a token, which all else asks for then.
	if err := s.deploy("echo", code{source: echo, settings: "memory=5MiB&timeout=30s&public=true"}); err != nil {
		return err
	}
	pid, err := s.process("echo")
	if err != nil {
		return err
	}
	token, err := exec.CommandContext(b.ctx, b.path("supervisor"), "token", "create", "bench", "--tenant", "web", "--scope", "tenant-invoke", "--server", "http://"+s.addr).Output()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	ours := web{functions, "/web/f/a?n=1", "Authorization: Bearer " + strings.TrimSpace(string(token)) + "\r\n"}
	p50, err := ours.latency(b.runs)
	if err != nil {
		return err
	}
	b.add("HTTP function, warm, with a token, one client, p50", "≤ 300 µs", p50 <= 300, "%.0f µs", p50)
	if err := b.besideWorkerd(ours); err != nil {
		return err
	}
	return b.streaming(functions, pid)
}

func (b *bench) serveFunctions() (*server, string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := ln.Addr().String()
	ln.Close()
	s, err := b.serve("web", 1, "--functions-listen", addr)
	return s, addr, err
}

// besideWorkerd takes the throughput of both in turn.
func (b *bench) besideWorkerd(ours web) error {
	theirs, stop, err := b.workerd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: no workerd to compare with:", err)
	} else {
		defer stop()
	}
	var mine, other, ratios []float64
	for range b.runs {
		m, err := ours.throughput()
		if err != nil {
			return err
		}
		mine = append(mine, m)
		if stop == nil {
			continue
		}
		o, err := theirs.throughput()
		if err != nil {
			return err
		}
		other, ratios = append(other, o), append(ratios, m/o)
	}
	b.add(fmt.Sprintf("  %d clients", clients), "", true, "%.0f/s", median(mine))
	if stop != nil {
		b.add("  workerd, one process, the same handler", "", true, "%.0f/s", median(other))
		b.add("  ours as a share of workerd's", "≥ 0.7", median(ratios) >= 0.7, "%.2f", median(ratios))
	}
	return nil
}

// workerd installs and starts workerd, of npm.
func (b *bench) workerd() (w web, stop func(), err error) {
	dir := b.path("workerd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return w, nil, err
	}
	install := exec.CommandContext(b.ctx, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "workerd@1")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return w, nil, fmt.Errorf("npm: %w: %s", err, out)
	}
	arch := map[string]string{"amd64": "64", "arm64": "arm64"}[runtime.GOARCH]
	program := filepath.Join(dir, "node_modules/@cloudflare/workerd-linux-"+arch, "bin/workerd")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return w, nil, err
	}
	w = web{addr: ln.Addr().String(), path: "/a?n=1"}
	ln.Close()
	config := `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)], sockets = [(name = "http", address = "` + w.addr + `", http = (), service = "main")]);
const main :Workerd.Worker = (modules = [(name = "handler", esModule = embed "handler.js")], compatibilityDate = "2025-01-01");
`
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "handler.js"), []byte(handler), 0o600), os.WriteFile(filepath.Join(dir, "config.capnp"), []byte(config), 0o600)); err != nil {
		return w, nil, err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(b.ctx, program, "serve", "config.capnp")
	cmd.Dir, cmd.Stderr = dir, &said
	if err := cmd.Start(); err != nil {
		return w, nil, err
	}
	stop = func() { _, _ = cmd.Process.Kill(), cmd.Wait() }
	for range 100 {
		conn, err := net.Dial("tcp", w.addr)
		if err == nil {
			conn.Close()
			return w, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return w, nil, fmt.Errorf("it does not answer: %s", said.String())
}

// caller is one connection.
type caller struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func (w web) call() (*caller, error) {
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		return nil, err
	}
	return &caller{conn, bufio.NewReader(conn), fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", w.path, w.addr, w.header)}, nil
}

func (c *caller) once() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != 200 || string(text) != `{"path":"/a","n":2}`) {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}

// latency is the median of one client's calls, in microseconds.
func (w web) latency(runs int) (float64, error) {
	c, err := w.call()
	if err != nil {
		return 0, err
	}
	defer c.conn.Close()
	var medians []float64
	for range runs {
		var took []time.Duration
		for range warmCalls {
			start := time.Now()
			if err := c.once(); err != nil {
				return 0, err
			}
			took = append(took, time.Since(start))
		}
		slices.Sort(took)
		medians = append(medians, float64(took[len(took)/2].Nanoseconds())/1000)
	}
	return median(medians), nil
}

// throughput is how many calls a second many clients get through.
func (w web) throughput() (float64, error) {
	var all sync.WaitGroup
	counts, errs := make([]int, clients), make([]error, clients)
	start := time.Now()
	for n := range clients {
		all.Go(func() {
			c, err := w.call()
			if err != nil {
				errs[n] = err
				return
			}
			defer c.conn.Close()
			for time.Since(start) < throughput {
				if errs[n] = c.once(); errs[n] != nil {
					return
				}
				counts[n]++
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / time.Since(start).Seconds(), errors.Join(errs...)
}

// streaming passes a large body through a function with 5 MiB of memory.
func (b *bench) streaming(addr string, pid int) error {
	most, done := 0.0, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			if now, err := privateMemory(pid); err == nil {
				most = max(most, now)
			}
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	start := time.Now()
	n, err := upload(addr)
	took := time.Since(start)
	close(done)
	watching.Wait()
	if err != nil || n != streamed {
		return fmt.Errorf("%d bytes came back of %d: %w", n, streamed, err)
	}
	b.add("100 MiB through a function with 5 MiB: its process's private memory", "≤ 40 MiB", most <= 40<<10, "%.1f MiB", most/1024)
	b.add("  in and out", "", true, "%.0f MiB/s", streamed/(1<<20)/took.Seconds())
	return nil
}

func upload(addr string) (int64, error) {
	answer, err := http.Post("http://"+addr+"/echo/f/", "application/octet-stream", io.LimitReader(zeros{}, streamed))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	return io.Copy(io.Discard, answer.Body)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
