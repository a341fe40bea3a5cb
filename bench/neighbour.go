package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

const (
	neighbourRounds = 5   // of a run
	neighbourCalls  = 100 // of a round, before each attack and beside it
	neighbourPause  = 5 * time.Millisecond
	attackers       = 4
	attackClients   = 8 // of each attacker
	attackSettles   = 400 * time.Millisecond
)

// Attacks beside the function that all rows share.
const (
	hogging = `export default () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(7)); }`
	logging = `export default () => { for (let n = 0; n < 5000; n++) console.log('line', n, 'x'.repeat(200)); }`
)

// attacks are what one tenant may notice of others that take what they can get.
var attacks = []struct {
	name, source, settings, event string
	tenants                       int
}{
	{"a flood of small calls", function, "", `{"n":1}`, 1},
	{"four tenants that compute without end", function, "", `{"ms":500}`, attackers},
	{"four tenants that fill their memory", hogging, "&memory=64MiB", `{}`, attackers},
	{"four tenants that flood the log", logging, "", `{}`, attackers},
}

// neighbours measures what one tenant notices of others: its p99 beside an
// attack, as a multiple of its quiet one in the same run.
func neighbours(b *bench) error {
	s, err := b.serve("neighbour", 2)
	if err != nil {
		return err
	}
	return errors.Join(b.neighbours(s), s.stop())
}

func (b *bench) neighbours(s *server) error {
	settings := fmt.Sprintf("concurrency=%d&timeout=30s", instances)
	if err := s.deploy("neighbour", code{function, settings, ""}); err != nil {
		return err
	}
	tenants := make([][]string, len(attacks))
	for i, a := range attacks {
		for n := range a.tenants {
			tenant := fmt.Sprintf("attacker-%d-%d", i, n)
			if err := s.deploy(tenant, code{a.source, settings + a.settings, ""}); err != nil {
				return err
			}
			tenants[i] = append(tenants[i], tenant)
		}
	}
	if _, _, err := s.invoke("neighbour", `{"n":1}`); err != nil {
		return err
	}
	// Quiet calls and those beside an attack are taken in turn, so that what else
	// the machine does happens to both.
	var quiet50, quiet99 []float64
	times, p50, p99 := make([][]float64, len(attacks)), make([][]float64, len(attacks)), make([][]float64, len(attacks))
	for range b.runs {
		var quiet []float64
		beside := make([][]float64, len(attacks))
		for range neighbourRounds {
			for i, a := range attacks {
				took, err := s.paced()
				if err != nil {
					return err
				}
				quiet = append(quiet, took...)
				end, err := b.attack(s, tenants[i], a.event)
				if err != nil {
					return err
				}
				time.Sleep(attackSettles)
				took, err = s.paced()
				if err = errors.Join(err, end()); err != nil {
					return err
				}
				beside[i] = append(beside[i], took...)
				time.Sleep(attackSettles)
			}
		}
		q := percentile(quiet, 0.99)
		quiet50, quiet99 = append(quiet50, percentile(quiet, 0.5)), append(quiet99, q)
		for i, took := range beside {
			most := percentile(took, 0.99)
			times[i] = append(times[i], most/q)
			p50[i], p99[i] = append(p50[i], percentile(took, 0.5)), append(p99[i], most)
		}
	}
	b.add("a tenant's warm call, now and then, p50 and p99", "", true, "%.2f ms, %.2f ms", median(quiet50), median(quiet99))
	for i, a := range attacks {
		ratio := median(times[i])
		b.add(fmt.Sprintf("  p99 beside %s", a.name), "≤ 2x", ratio <= 2, "%.1fx (%.2f ms, %.2f ms)", ratio, median(p50[i]), median(p99[i]))
	}
	return nil
}

// paced calls the neighbour now and then, and returns how long it took in ms.
func (s *server) paced() ([]float64, error) {
	took := make([]float64, 0, neighbourCalls)
	for range neighbourCalls {
		time.Sleep(neighbourPause)
		d, _, err := s.invoke("neighbour", `{"n":1}`)
		if err != nil {
			return nil, err
		}
		took = append(took, d.Seconds()*1000)
	}
	return took, nil
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
