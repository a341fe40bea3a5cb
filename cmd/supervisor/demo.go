package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

func demoCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "show two tenants' functions at work, and what keeps them apart",
		Description: "Starts a supervisor of its own and a small web server, both on loopback, and leaves nothing behind.",
		Flags:       []cli.Flag{sandboxFlag(), databaseFlag()},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return demo(c.Context, t, c.String("sandbox-bin"), c.String("database-bin"))
		},
	}
}

// demoTimeout is how long the whole demo may take.
const demoTimeout = time.Minute

func demo(ctx context.Context, t *terminal, sandbox, database string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	begin := time.Now()
	stage, err := newStage(ctx, sandbox, database)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := stage.close(); err == nil {
			err = closeErr
		}
	}()
	s := &story{t: t, stage: stage}
	s.run(ctx)
	if ctx.Err() != nil {
		return &outcome.Error{Outcome: outcome.Of(ctx.Err()), Detail: "the demo did not finish", Err: ctx.Err()}
	}
	if len(s.surprises) > 0 {
		return &outcome.Error{
			Outcome: outcome.Internal, Problems: s.surprises,
			Detail: fmt.Sprintf("the demo failed: %d of %d expectations did not hold", len(s.surprises), s.expectations),
		}
	}
	took := time.Since(begin).Round(100 * time.Millisecond)
	if t.json {
		return t.document(map[string]any{"passed": true, "expectations": s.expectations, "invocations": s.invocations.Load(), "seconds": took.Seconds(), "steps": s.steps})
	}
	t.printf("")
	t.printf("✓ Demo passed: %d expectations held over %d invocations in %v", s.expectations, s.invocations.Load(), took)
	return nil
}
