package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/internal/child"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/internal/remote"
	"github.com/bulkhead-run/bulkhead/plugin/pluginpb"
)

// How a plugin is looked after; tests are less patient.
var (
	healthEvery   = 10 * time.Second
	healthTimeout = 5 * time.Second
)

const (
	// misses is how many checks of its health in a row a plugin may fail.
	misses = 2

	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// maxDoc clips an API's line of documentation, in bytes.
	maxDoc = 300
	// steady is how long a plugin has to live to be started again at once.
	steady = time.Minute
)

// plugin is one program of the folder, through all of its processes.
type plugin struct {
	path, name string
	o          Options
	starter    *child.Starter
	log        *slog.Logger
	gate       *remote.Gate
	// Set once, when it is ready for the first time.
	described *pluginpb.DescribeResponse
	apis      []platform.API

	mu      sync.Mutex
	running *connection // nil while there is none
}

func newPlugin(path string, o Options, starter *child.Starter) *plugin {
	name := filepath.Base(path)
	return &plugin{
		path: path, name: name, o: o, starter: starter, log: o.Logger.With("plugin", name),
		gate: remote.NewGate(4*o.MaxConcurrent, o.MaxConcurrent),
	}
}

// run keeps a process of the plugin running until ctx ends. ready is told once
// how the first start went; when it failed, run ends.
func (p *plugin) run(ctx context.Context, ready chan<- error) {
	backoff := firstBackoff
	for first := true; ; first = false {
		c, err := p.start(ctx)
		if err == nil {
			p.set(c)
		}
		if first {
			ready <- err
			if err != nil {
				return
			}
		}
		if err == nil {
			p.log.Info("a plugin runs", "pid", c.PID())
			since := time.Now()
			p.attend(ctx, c)
			p.set(nil)
			c.close(ctx.Err() != nil)
			if ctx.Err() != nil {
				return
			}
			if time.Since(since) > steady {
				backoff = firstBackoff
			}
			p.log.Info("a plugin ended, and is started again", "how", c.How(), "after", backoff)
		} else if ctx.Err() == nil {
			p.log.Warn("a plugin cannot be started again", "error", err, "next", backoff)
		}
		select {
		case <-time.After(backoff):
			backoff = min(2*backoff, maxBackoff)
		case <-ctx.Done():
			return
		}
	}
}

// start starts a process and learns what it offers.
func (p *plugin) start(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.StartTimeout)
	defer cancel()
	c, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	described, err := c.Describe(ctx, &pluginpb.DescribeRequest{})
	if err == nil {
		err = p.accept(described)
	}
	if err != nil {
		c.close(false)
		return nil, fmt.Errorf("cannot describe its APIs: %w", err)
	}
	return c, nil
}

// accept takes over what the plugin offers, the first time; later it must be
// the same, for functions and policies count on it.
func (p *plugin) accept(d *pluginpb.DescribeResponse) error {
	if p.described != nil {
		if !proto.Equal(p.described, d) {
			return errors.New("its APIs are not those that it had; restart the supervisor to take them over")
		}
		return nil
	}
	if n := len(d.GetApis()); n == 0 || n > pluginpb.MaxAPIs {
		return fmt.Errorf("it has %d; it must be 1 to %d", n, pluginpb.MaxAPIs)
	}
	var names []string
	var apis []platform.API
	for _, a := range d.GetApis() {
		if err := platform.CheckName(a.GetName(), names); err != nil {
			return err
		}
		schema, err := platform.NewSchema(json.RawMessage(a.GetArguments()), json.RawMessage(a.GetResult()))
		if err != nil {
			return fmt.Errorf("%s: %w", a.GetName(), err)
		}
		names = append(names, a.GetName())
		apis = append(apis, platform.API{
			Name: a.GetName(), Doc: clip(child.Printable(a.GetDoc())), Sync: a.GetSync(), Schema: schema,
			Func: func(ctx context.Context, call *platform.Call) (any, error) {
				return p.call(ctx, a.GetName(), schema, call)
			},
		})
	}
	p.described, p.apis = d, apis
	return nil
}

// attend returns when the process has ended, or has to.
func (p *plugin) attend(ctx context.Context, c *connection) {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	missed := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Exited():
			return
		case <-ticker.C:
		}
		err := c.healthy(ctx)
		if err == nil {
			missed = 0
			continue
		}
		if missed++; missed == misses {
			p.log.Info("a plugin does not answer, and is killed", "error", err)
			return
		}
	}
}

func (p *plugin) set(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = c
}

func (p *plugin) current() *connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

// clip cuts an API's line of documentation.
func clip(s string) string {
	if len(s) <= maxDoc {
		return s
	}
	return strings.ToValidUTF8(s[:maxDoc], "") + "…"
}
