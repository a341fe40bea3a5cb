package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	neighbourCalls = 400
	neighbourPause = 5 * time.Millisecond
	attackers      = 4
	attackClients  = 8 // of each attacker
)

// neighbour measures what one tenant notices of others that take what they can
// get: its p99 beside an attack, as a multiple of its quiet one in the same
// run.
func neighbour(b *bench) error {
	s, err := b.serve("neighbour", 2)
	if err != nil {
		return err
	}
	return errors.Join(b.neighbours(s), s.stop())
}

func (b *bench) neighbours(s *server) error {
	tenants := []string{"neighbour"}
	for n := range attackers {
		tenants = append(tenants, fmt.Sprintf("attacker-%d", n))
	}
	for _, t := range tenants {
		if err := s.deploy(t, code{function, fmt.Sprintf("concurrency=%d&timeout=30s", instances), ""}); err != nil {
			return err
		}
	}
	if _, _, err := s.invoke("neighbour", `{"n":1}`); err != nil {
		return err
	}
	attacks := []struct {
		name, event string
		tenants     []string
	}{
		{"another tenant's flood of small calls", `{"n":1}`, tenants[1:2]},
		{"four tenants that compute without end", `{"ms":500}`, tenants[1:]},
	}
	quiet50, quiet99 := []float64{}, []float64{}
	p50, p99 := make([][]float64, len(attacks)), make([][]float64, len(attacks))
	for range b.runs {
		for i := -1; i < len(attacks); i++ {
			end := func() error { return nil }
			if i >= 0 {
				var err error
				if end, err = b.attack(s, attacks[i].tenants, attacks[i].event); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			half, most, err := s.paced()
			if err = errors.Join(err, end()); err != nil {
				return err
			}
			if i < 0 {
				quiet50, quiet99 = append(quiet50, half), append(quiet99, most)
			} else {
				p50[i], p99[i] = append(p50[i], half), append(p99[i], most)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	b.add("a tenant's warm call, now and then, p50 and p99", "", true, "%.2f ms, %.2f ms", median(quiet50), median(quiet99))
	for i, a := range attacks {
		times := median(p99[i]) / median(quiet99)
		b.add("  p99 beside "+a.name, "≤ 2x", times <= 2, "%.1fx (%.2f ms, %.2f ms)", times, median(p50[i]), median(p99[i]))
	}
	return nil
}

// paced calls the neighbour now and then, and returns the p50 and p99 in ms.
func (s *server) paced() (p50, p99 float64, err error) {
	took := make([]time.Duration, 0, neighbourCalls)
	for range neighbourCalls {
		time.Sleep(neighbourPause)
		d, _, err := s.invoke("neighbour", `{"n":1}`)
		if err != nil {
			return 0, 0, err
		}
		took = append(took, d)
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return ms(took[len(took)/2]), ms(took[len(took)*99/100]), nil
}

// attack has processes of their own send without a pause, as if from another
// machine: with no claim on this one's processors.
func (b *bench) attack(s *server, tenants []string, event string) (end func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, self, append([]string{"-attack", s.addr, "-event", event}, tenants...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait() // it was killed
		return nil
	}, nil
}

// flood is the whole of an attacking process.
func flood(addr, event string, tenants []string) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, tenant := range tenants {
		for range attackClients * attackers / len(tenants) {
			all.Go(func() {
				for {
					if conn, err := net.Dial("tcp", addr); err == nil {
						send(conn, addr, tenant, event)
						conn.Close()
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
	}
	all.Wait()
	return nil
}

// send sends one request after the other until something goes wrong.
func send(conn net.Conn, addr, tenant, event string) {
	in := bufio.NewReader(conn)
	request := fmt.Appendf(nil, "POST /v1/tenants/%s/functions/f/invoke HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", tenant, addr, len(event), event)
	for {
		if _, err := conn.Write(request); err != nil {
			return
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			return
		}
	}
}
