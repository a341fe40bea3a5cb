package systemd

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusPeriod is how often the status is told when there is no watchdog.
const statusPeriod = 10 * time.Second

// Watch proves to the manager, three times in the watchdog's interval, that
// the service is alive: each time probe has returned nil. Beside that it tells
// status, one line. A probe that fails is logged; one that hangs is too, and is
// waited for. When the last interval has passed without a proof, the manager
// ends the service. The caller calls stop, which waits for a running probe.
func (m *Manager) Watch(probe func(context.Context) error, status func() string, log *slog.Logger) (stop func()) {
	if m == nil || m.socket == "" {
		return func() {}
	}
	period := statusPeriod
	if m.watchdog > 0 {
		period = m.watchdog / 3
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			m.beat(ctx, period, probe, status, log)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// beat is one proof.
func (m *Manager) beat(ctx context.Context, within time.Duration, probe func(context.Context) error, status func() string, log *slog.Logger) {
	said := make(chan struct{})
	hangs := time.AfterFunc(within, func() {
		defer close(said)
		log.Error("the supervisor does not answer its own probe; unless it does soon, the watchdog ends it", slog.Duration("after", within))
	})
	defer func() {
		if !hangs.Stop() {
			<-said
		}
	}()
	limit, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := probe(limit)
	switch {
	case ctx.Err() != nil: // stopped
		return
	case err != nil:
		log.Error("the supervisor fails its own probe; unless it recovers, the watchdog ends it", slog.Any("error", err))
		err = m.Notify("STATUS=not alive: " + err.Error())
	default:
		err = m.Notify(daemon.SdNotifyWatchdog, "STATUS="+status())
	}
	if err != nil {
		log.Debug("watchdog", slog.Any("error", err))
	}
}
