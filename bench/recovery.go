package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	// victims are killed once in a run each: who dies twice soon is held back.
	victims      = 40
	recoveryMost = 30 * time.Second
)

// recoveries measures the time from a kill -9 of a tenant's process to the
// tenant's next good answer, with a spare process: of an idle supervisor, and of
// one that another tenant floods.
func recoveries(b *bench) error {
	s, err := b.serve("recovery", 2)
	if err != nil {
		return err
	}
	return errors.Join(b.recover(s), s.stop())
}

func (b *bench) recover(s *server) error {
	if err := s.deploy("flood", small); err != nil {
		return err
	}
	quiet, flooded := []float64{}, []float64{}
	for run := range b.runs {
		for _, arm := range []struct {
			name string
			took *[]float64
		}{{"quiet", &quiet}, {"flooded", &flooded}} {
			took, err := b.killEach(s, fmt.Sprintf("%s-%d", arm.name, run), arm.name == "flooded")
			if err != nil {
				return err
			}
			*arm.took = append(*arm.took, took...)
		}
	}
	for _, arm := range []struct {
		what, target string
		took         []float64
	}{
		{"a tenant whose process was killed is served again, p99", "≤ 100 ms", quiet},
		{"  while another tenant floods", "", flooded},
	} {
		p99 := percentile(arm.took, 0.99)
		b.add(arm.what, arm.target, arm.target == "" || p99 <= 100, "%.0f ms (p50 %.0f ms, most %.0f ms)", p99, percentile(arm.took, 0.5), percentile(arm.took, 1))
	}
	return nil
}

// killEach kills new tenants' processes, one after the other.
func (b *bench) killEach(s *server, name string, flooded bool) (took []float64, err error) {
	tenant := func(n int) string { return fmt.Sprintf("%s-%d", name, n) }
	for n := range victims {
		if err := s.deploy(tenant(n), small); err != nil {
			return nil, err
		}
	}
	if flooded {
		end, err := b.attack(s, []string{"flood"}, `{"n":1}`)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	for n := range victims {
		pid, err := s.process(tenant(n))
		if err != nil {
			return nil, err
		}
		if err := s.awaitSpares(); err != nil {
			return nil, err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return nil, err
		}
		killed := time.Now()
		if err := s.answers(tenant(n)); err != nil {
			return nil, err
		}
		took = append(took, time.Since(killed).Seconds()*1000)
	}
	for n := range victims {
		if _, _, err := s.do("DELETE", "/v1/tenants/"+tenant(n), "", ""); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// answers asks until the tenant answers.
func (s *server) answers(tenant string) error {
	for end := time.Now().Add(recoveryMost); ; {
		answer, err := http.Post("http://"+s.addr+"/v1/tenants/"+tenant+"/functions/f/invoke", "application/json", strings.NewReader(`{"n":1}`))
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not answer: %s", tenant, answer.Status)
		}
		time.Sleep(time.Millisecond)
	}
}
