package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Memory is how much memory there is for more: of the machine, or of a group or
// a limit that holds less.
type Memory struct {
	Available, Total int64 // bytes
	// Stalled is the share of the last ten seconds, 0 to 100, in which nothing
	// could run because all waited for memory.
	Stalled float64
}

const (
	// lookEvery is how often memory is looked at.
	lookEvery = 250 * time.Millisecond
	// mostStalled is the share of time lost to memory from which on no process
	// is started.
	mostStalled = 20
	// shedFor is the hint for whoever is turned away.
	shedFor = 2 * time.Second
)

// pressure says what there is memory for.
type pressure int32

const (
	plenty   pressure = iota
	scarce            // no new process
	critical          // no new invocation
)

// shedder refuses work before memory runs out.
type shedder struct {
	read          func() (Memory, error)
	low, critical int64 // bytes; 0: of the total, see bounds
	log           *slog.Logger
	now           atomic.Int32
	shed          func() // counts what was refused
	again         func() // starts what was not, once there is memory
}

// under reports whether there is at least this pressure.
func (s *shedder) under(p pressure) bool { return pressure(s.now.Load()) >= p }

// bounds returns below what there is no new process, and no new invocation.
func (s *shedder) bounds(total int64) (low, least int64) {
	return orDefault(s.low, min(total/10, 1<<30)), orDefault(s.critical, min(total/20, 512<<20))
}

// level is the pressure of what was measured, after before: it falls only once
// there is a quarter more than the bound, so that it does not flutter.
func (s *shedder) level(m Memory, before pressure) pressure {
	low, least := s.bounds(m.Total)
	below := func(bound int64, p pressure) bool {
		if before >= p {
			bound += bound / 4
		}
		return m.Available < bound
	}
	switch {
	case below(least, critical):
		return critical
	case below(low, scarce), m.Stalled >= mostStalled:
		return scarce
	}
	return plenty
}

// watch looks at the memory until ctx ends. What cannot be read sheds nothing.
func (s *shedder) watch(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := false
	for {
		if m, err := s.read(); err == nil {
			before := pressure(s.now.Load())
			after := s.level(m, before)
			s.now.Store(int32(after))
			if before != after {
				s.tell(after, m)
				if after == plenty {
					s.again()
				}
			}
		} else if !failed {
			failed = true
			s.log.Warn("memory cannot be watched; nothing is refused before it runs out", slog.Any("error", err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *shedder) tell(p pressure, m Memory) {
	attrs := []any{slog.String("available", formatBytes(m.Available)), slog.String("of", formatBytes(m.Total)), slog.Float64("stalled", m.Stalled)}
	switch p {
	case plenty:
		s.log.Info("there is memory again", attrs...)
	case scarce:
		s.log.Warn("memory is scarce: no sandbox process is started, deploys are refused", attrs...)
	case critical:
		s.log.Warn("memory is nearly gone: invocations are refused", attrs...)
	}
}

// refuse returns why there is no memory for something that needs some at this
// pressure, or nil.
func (s *shedder) refuse(from pressure, tenant, function, what string) error {
	if !s.under(from) {
		return nil
	}
	s.shed()
	e := overloaded(tenant, function, fmt.Sprintf("the machine has too little memory left for %s", what), shedFor)
	e.Remedy = "send it again later"
	return e
}
