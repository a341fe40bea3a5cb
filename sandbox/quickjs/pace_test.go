package quickjs

import (
	"errors"
	"testing"
	"time"
)

// A loop over a native function that takes long stops after a few more turns,
// and not after the thousands that QuickJS would let pass.
func TestInterruptBetweenSlowFunctions(t *testing.T) {
	for name, source := range map[string]string{
		"stringify": "(host) => { const s = 'x'.repeat(5e5); for (;;) { host(); JSON.stringify(s) } }",
		"split":     "(host) => { const s = 'x,'.repeat(1e5); for (;;) { host(); s.split(',') } }",
		"bigint":    "(host) => { const n = (1n << 100000n) - 1n; for (;;) { host(); n * n } }",
		"sort":      "(host) => { const a = new Array(2e4).fill('x'); for (;;) { host(); a.sort() } }",
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstance(t, 32<<20, 256<<10)
			loop, err := i.Eval(source, "x.js", EvalScript)
			if err != nil {
				t.Fatal(err)
			}
			host, err := i.HostFunction()
			if err != nil {
				t.Fatal(err)
			}
			const interrupted, most = 20, 4
			turns := 0
			i.OnCall = func(Args) Value {
				switch turns++; turns {
				case interrupted:
					i.Interrupt()
				case interrupted + most:
					i.Abort(errors.New("it goes on and on"))
				}
				return Undefined
			}
			i.SetDeadline(time.Now().Add(time.Hour))
			if _, err := i.Call(loop, host); !errors.Is(err, ErrInterrupted) {
				t.Errorf("%d turns, %v", turns, err)
			}
		})
	}
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		polls uint32
		took  time.Duration
		want  uint32
	}{
		{0, 0, 1}, // no deadline has been set
		{firstPolls, 0, firstPolls * morePolls},
		{firstPolls, time.Microsecond, firstPolls * morePolls},
		{maxPolls, 25 * time.Microsecond, maxPolls},
		{maxPolls, pollEvery * 10, maxPolls / 10},
		{maxPolls, time.Hour, 1},
		{1, pollEvery * 2, 1},
		{1, pollEvery / 4, 4},
		{1, -time.Second, morePolls}, // a clock that went back
	} {
		p := pace{asked: time.Minute, polls: c.polls}
		if p.next(time.Minute + c.took); p.polls != c.want || p.asked != time.Minute+c.took {
			t.Errorf("%d polls in %v: then %d, want %d", c.polls, c.took, p.polls, c.want)
		}
	}
}
