package quickjs

import (
	"testing"
	"time"
)

// machine is a clock and the processor, which the process has for part of the time.
type machine struct {
	now, cpu time.Duration
}

func (w *machine) pass(wall, cpu time.Duration) {
	w.now += wall
	w.cpu += cpu
}

// Who shares the processor with others pays for what it has had of it, however
// often it is asked.
func TestCPUAccount(t *testing.T) {
	const total = 100 * time.Millisecond // computed
	for name, c := range map[string]struct {
		wall, cpu time.Duration // between two looks
		aside     time.Duration // that the process computes for nobody, every 20 looks
	}{
		"alone":                    {250 * time.Microsecond, 250 * time.Microsecond, 0},
		"shared in small parts":    {250 * time.Microsecond, 150 * time.Microsecond, 0},
		"shared in large parts":    {3 * time.Millisecond, 250 * time.Microsecond, 0},
		"beside its own runtime":   {250 * time.Microsecond, 250 * time.Microsecond, 2 * time.Millisecond},
		"rarely asked":             {50 * time.Millisecond, 50 * time.Millisecond, 0},
		"rarely asked, and shared": {50 * time.Millisecond, 20 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &machine{now: time.Second, cpu: 30 * time.Millisecond} // it has been started
			l := ledger{kernel: func() (time.Duration, bool) { return w.cpu, true }}
			a := &account{limit: time.Hour}
			l.give(a, w.now)
			for n := 0; time.Duration(n)*c.cpu < total; n++ {
				w.pass(c.wall, c.cpu)
				if c.aside > 0 && n%20 == 19 {
					l.release(a, w.now)
					w.pass(c.aside, c.aside)
				}
				l.give(a, w.now)
			}
			// Up to what passes between two questions.
			if used := l.release(a, w.now); used < total-recent || used > total+2*recent {
				t.Errorf("it is charged %v of %v", used, total)
			}
		})
	}
}
