package hostile

import (
	"slices"
	"testing"
)

// TestCorpus runs every row, two at a time, and checks at the end that nothing
// is left of any of them.
func TestCorpus(t *testing.T) {
	w := newWorld(t)
	t.Run("rows", func(t *testing.T) {
		for _, r := range slices.Concat(cpuRows, memoryRows, stackRows, asyncRows, escapeRows, engineRows) {
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
	t.Run("frames", func(t *testing.T) { testFrames(t, w) })
	t.Run("parallel burn", func(t *testing.T) { testParallelBurn(t, w) })
	t.Run("warm leak", func(t *testing.T) { testWarmLeak(t, w) })
	w.finish(t)
}
