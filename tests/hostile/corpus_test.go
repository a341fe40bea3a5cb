package hostile

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// rows returns every row.
func rows() []row {
	return slices.Concat(cpuRows, memoryRows, stackRows, asyncRows, escapeRows, engineRows)
}

// TestCorpus runs every row, two at a time, and checks at the end that nothing
// is left of any of them.
func TestCorpus(t *testing.T) {
	w := newWorld(t, time.Second)
	t.Run("rows", func(t *testing.T) {
		for _, r := range rows() {
			if testing.Short() && r.time > oneSecond {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				r.run(t, w)
			})
		}
	})
	t.Run("top level", func(t *testing.T) { testTopLevel(t, w) })
	t.Run("cycle", func(t *testing.T) { testCycle(t, w) })
	t.Run("frames", func(t *testing.T) { testFrames(t, w) })
	t.Run("parallel burn", func(t *testing.T) { testParallelBurn(t, w) })
	t.Run("warm leak", func(t *testing.T) { testWarmLeak(t, w) })
	t.Run("memory returns", func(t *testing.T) { testMemoryReturns(t, w) })
	w.finish(t)
}

// TestRowsCanFail shows that every row refuses ends that it should: one that is
// never in order, another value, a secret in what comes out.
func TestRowsCanFail(t *testing.T) {
	names := make(map[string]bool)
	for _, r := range rows() {
		if names[r.name] {
			t.Errorf("%s: twice", r.name)
		}
		names[r.name] = true
		ends := map[string]error{"an internal error": &outcome.Error{Outcome: outcome.Internal}}
		if r.want != outcome.OK && r.text != "" {
			ends["another text"] = &outcome.Error{Outcome: r.want}
		}
		for what, err := range ends {
			if len(r.faults(supervisor.Result{}, err)) == 0 {
				t.Errorf("%s: takes %s", r.name, what)
			}
		}
		value := supervisor.Result{Value: []byte(`"another"`)}
		if (r.want != outcome.OK || r.value != "") && !slices.Contains(r.or, outcome.OK) && len(r.faults(value, nil)) == 0 {
			t.Errorf("%s: takes another value", r.name)
		}
		for _, secret := range []string{environmentSecret, neighbourSecret, plantedSecret} {
			leaky := supervisor.Result{Value: []byte(r.value), Logs: []supervisor.Log{{Message: r.line}, {Message: secret}}}
			var err error
			if r.want != outcome.OK {
				err = &outcome.Error{Outcome: r.want, Detail: r.text + secret}
			}
			if len(r.faults(leaky, err)) == 0 {
				t.Errorf("%s: takes a leak of %s", r.name, secret)
			}
		}
	}
}
