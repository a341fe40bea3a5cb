package plugins

import (
	"log/slog"

	"golang.org/x/time/rate"
)

// linesPerSecond of a plugin are logged, after the first lineBurst.
const linesPerSecond, lineBurst = 10, 100

// output takes what a plugin writes to its standard error to our log.
type output struct {
	log     *slog.Logger
	limit   *rate.Limiter
	dropped int
}

func newOutput(log *slog.Logger) *output {
	return &output{log: log, limit: rate.NewLimiter(linesPerSecond, lineBurst)}
}

// line logs a line, or drops it; one call at a time.
func (o *output) line(line string) {
	if !o.limit.Allow() {
		o.dropped++
		return
	}
	if o.dropped > 0 {
		o.log.Info("a plugin writes too much: some of it was dropped", "lines", o.dropped)
		o.dropped = 0
	}
	o.log.Info("a plugin says", "line", line)
}
