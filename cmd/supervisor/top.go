package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/bulkhead-run/bulkhead/client"
)

// topLimit is how many tenants are asked for: more than any screen has lines.
const topLimit = 500

func topCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "show what tenants do at the moment, live",
		Description: "Rates and durations are those of the last ten seconds; COLD and KILLS count since the tenant is tracked.\n" +
			"Keys: " + topKeys() + "; q ends. Without a terminal, with --once and with --json it shows one snapshot.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "sort", Usage: "the first are those with most `OF`: " + topSorts(), Value: "rate"},
			&cli.DurationFlag{Name: "interval", Usage: "how often it looks", Value: 2 * time.Second},
			&cli.BoolFlag{Name: "once", Usage: "show one snapshot and end"},
			serverFlag(),
		},
		Action: onServer(func(c *cli.Context, api *client.Client, _ []string) error {
			v := &topView{server: c.String("server"), sort: c.String("sort")}
			if !slices.ContainsFunc(topColumns, func(col topColumn) bool { return col.sort == v.sort }) {
				return usagef("--sort: %q is none of %s", v.sort, topSorts())
			}
			if c.Duration("interval") < 100*time.Millisecond {
				return usagef("--interval: the least is 100ms")
			}
			in, _ := t.in.(*os.File)
			live := !c.Bool("once") && !t.json && t.outTTY && in != nil && term.IsTerminal(int(in.Fd()))
			if live {
				return v.live(c.Context, t, in, api, c.Duration("interval"))
			}
			stats, err := api.Stats(c.Context, v.sort, topLimit)
			if err != nil {
				return err
			}
			if t.json {
				return t.document(stats)
			}
			v.stats = stats
			for _, line := range v.table(100) {
				fmt.Fprintln(t.out, strings.TrimRight(line, " "))
			}
			return nil
		}),
	}
}

func topSorts() string {
	var names []string
	for _, col := range topColumns {
		if col.sort != "" {
			names = append(names, col.sort)
		}
	}
	return strings.Join(names, ", ")
}

func topKeys() string {
	var keys []string
	for _, col := range topColumns {
		if col.sort != "" {
			keys = append(keys, fmt.Sprintf("%c %s", col.key, col.sort))
		}
	}
	return "sort by " + strings.Join(keys, ", ")
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, without a cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
	reverse     = "7"
)

// live draws until q, an interrupt, or the context's end.
func (v *topView) live(ctx context.Context, t *terminal, in *os.File, api *client.Client, every time.Duration) error {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return usagef("cannot read keys from this terminal: %v; use --once", err)
	}
	fmt.Fprint(t.out, enterScreen)
	defer func() {
		fmt.Fprint(t.out, leaveScreen)
		_ = term.Restore(int(in.Fd()), state)
	}()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	keys := make(chan byte)
	go func() { // ends with the program, or with its input
		defer close(keys)
		var key [1]byte
		for {
			if n, err := in.Read(key[:]); err != nil || n == 0 {
				return
			}
			keys <- key[0]
		}
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 1)
	asking := false
	ask := func() {
		if !asking { // a slow server is not asked twice at once
			asking = true
			go func(sort string) { answers <- look(ctx, api, sort) }(v.sort)
		}
	}
	for ask(); ; v.draw(t) {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			ask()
		case <-resized:
		case a := <-answers:
			asking = false
			if v.err = a.err; a.err == nil {
				v.stats = a.stats
			}
		case key, ok := <-keys:
			if !ok || key == 'q' || key == 3 || key == 4 { // Ctrl-C, Ctrl-D
				return nil
			}
			if v.press(key) {
				ask()
			}
		}
	}
}

// answer is what the server said. A failure is shown with the last numbers.
type answer struct {
	stats client.Stats
	err   error
}

func look(ctx context.Context, api *client.Client, sort string) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	a.stats, a.err = api.Stats(ctx, sort, topLimit)
	return a
}

// press takes a key. It reports whether another order is wanted.
func (v *topView) press(key byte) bool {
	for _, col := range topColumns {
		if col.sort != "" && key == col.key {
			v.sort = col.sort
			return true
		}
	}
	return false
}

func (v *topView) draw(t *terminal) {
	width, height := 80, 24
	if out, ok := t.out.(*os.File); ok {
		if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	var b strings.Builder
	b.WriteString(home)
	for i, line := range v.screen(width, height) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if i == topHeader || i == height-1 {
			line = t.paint(true, reverse, line)
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearRest)
	fmt.Fprint(t.out, b.String())
}
