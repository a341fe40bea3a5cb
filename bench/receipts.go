package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// receipts measures what receipts cost: the processor time that it takes to make
// one, to enter it into the ledger and to write the answer's headers, beside what
// an invocation takes of all processes. The function makes no host call, so that
// nothing else is as small.
func receipts(b *bench) error {
	s, err := b.serve("receipts", 1)
	if err != nil {
		return err
	}
	return errors.Join(b.receipts(s), s.stop())
}

func (b *bench) receipts(s *server) error {
	const most = 0.02
	if err := s.deploy("receipts", small); err != nil {
		return err
	}
	pid, err := s.process("receipts")
	if err != nil {
		return err
	}
	var shares, times []float64
	for range b.runs {
		made, err := b.goBench("supervisor.test", "^BenchmarkReceipt$/^none$", "1s")
		if err != nil {
			return err
		}
		written, err := b.goBench("gateway.test", "^BenchmarkReceipt$", "1s")
		if err != nil {
			return err
		}
		whole, err := s.processorTime(pid)
		if err != nil {
			return err
		}
		receipt := made["Receipt/none ns/op"] + written["Receipt ns/op"]
		times, shares = append(times, receipt), append(shares, receipt/whole)
	}
	share := median(shares)
	b.add("receipts' share of an invocation's processor time", "≤ 2 %", share <= most, "%.1f %% (%.1f µs)", 100*share, median(times)/1000)
	return nil
}

// processorTime is what a warm invocation takes of the supervisor and of its
// tenant's process, in nanoseconds, when both have much to do.
func (s *server) processorTime(sandbox int) (float64, error) {
	used := func() time.Duration {
		ours, _ := usedCPU(s.cmd.Process.Pid)
		theirs, _ := usedCPU(sandbox)
		return ours + theirs
	}
	before, start := used(), time.Now()
	var all sync.WaitGroup
	counts, errs := make([]int, instances), make([]error, instances)
	for n := range instances {
		all.Go(func() {
			one, err := s.again()
			if err != nil {
				errs[n] = err
				return
			}
			defer one.conn.Close()
			for ; time.Since(start) < throughput && errs[n] == nil; counts[n]++ {
				_, _, errs[n] = one.invoke("receipts", small.event)
			}
		})
	}
	all.Wait()
	took, sum := used()-before, 0
	for _, n := range counts {
		sum += n
	}
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("invocations: %w", err)
	}
	return float64(took) / float64(sum), nil
}
