package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// source is a stream that tells what became of it.
type source struct {
	io.Reader
	closed chan struct{}
	once   atomic.Bool
}

func newSource(r io.Reader) *source { return &source{Reader: r, closed: make(chan struct{})} }

func (s *source) Close() error {
	if s.once.CompareAndSwap(false, true) {
		close(s.closed)
	}
	return nil
}

// stuck is a source whose Read waits for Close.
type stuck struct{ *source }

func (s stuck) Read([]byte) (int, error) {
	<-s.closed
	return 0, errors.New("closed")
}

func newStuck() stuck { return stuck{newSource(nil)} }

// sends is an API that gives JavaScript what open opens.
func sends(name string, open func() io.ReadCloser) platform.API {
	return platform.API{Name: name, Func: func(_ context.Context, c *platform.Call) (any, error) {
		return c.Streams.Send(open())
	}}
}

// takes is an API that reads all of a stream that JavaScript writes.
func takes(name string, done func(n int64, err error)) platform.API {
	return platform.API{Name: name, Func: func(_ context.Context, c *platform.Call) (any, error) {
		var id platform.StreamID
		if _, err := c.Arg(0, "stream", &id); err != nil {
			return nil, err
		}
		r, err := c.Streams.Receive(id)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, r)
		done(n, err)
		return n, err
	}}
}

func awaitClosed(t *testing.T, what string, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Errorf("%s was not closed", what)
	}
}

func TestStreams(t *testing.T) {
	var opened []*source
	fails := platform.Errorf("TypeError", "the line is cut")
	s := open(t, apis(
		sends("short", func() io.ReadCloser {
			src := newSource(strings.NewReader("twelve bytes"))
			opened = append(opened, src)
			return src
		}),
		sends("long", func() io.ReadCloser { return newSource(io.LimitReader(zeros{}, 1_000_000)) }),
		sends("cut", func() io.ReadCloser {
			return newSource(io.MultiReader(strings.NewReader("some"), failing{fails}))
		}),
		sends("secret", func() io.ReadCloser { return newSource(failing{errors.New("password is 1234")}) }),
		sends("panics", func() io.ReadCloser { return newSource(failing{nil}) }),
		sends("lazy", func() io.ReadCloser { return newSource(idle{}) }),
		sends("stuck", func() io.ReadCloser { return newStuck() }),
		takes("take", func(int64, error) {}),
		platform.API{Name: "refuse", Func: func(_ context.Context, c *platform.Call) (any, error) {
			r, err := c.Streams.Receive(1)
			if err == nil {
				err = r.Close()
			}
			return nil, err
		}},
	))
	for _, tt := range []struct{ name, commands, want string }{
		{"read to its end", "call short []\ndrain 1", `12 `},
		{"the end closes it", "call short []\ndrain 1\ncall stream:read [1]", `TypeError: stream 1 is closed, or never was `},
		{"in pieces", "call long []\ndrain 1", `1000000 `},
		{"one piece", "call long []\ncall stream:read [1]", `data 65536`},
		{"numbers are not given twice", "call short []\ndrain 1\ncall short []", `2`},
		{"closed by the reader", "call long []\ncall stream:close [1]\ncall stream:read [1]", `TypeError: stream 1 is closed, or never was `},
		{"a failure after a piece", "call cut []\ndrain 1", `4 TypeError: the line is cut `},
		{"a failure closes it", "call cut []\ndrain 1\ncall stream:close [1]", `TypeError: stream 1 is closed, or never was `},
		{"an internal failure", "call secret []\ndrain 1", `0 Error: secret failed: internal error `},
		{"a panic", "call panics []\ndrain 1", `0 Error: panics failed: internal error `},
		{"a reader that reads nothing", "call lazy []\ndrain 1", `0 Error: lazy failed: internal error `},
		{"none", "call stream:read [1]", `TypeError: stream 1 is closed, or never was `},
		{"far off", "call stream:cancel [4294967295]", `TypeError: stream 4294967295 is closed, or never was `},
		{"written and taken", "call stream:open [0]\ncall-only take [1]\nwrite 1 1000\nwrite 1 262144\ncall stream:close [1]\nawait", `263144`},
		{"taken twice", "call stream:open [0]\ncall-only take [1]\nwrite 1 1\ncall take [1]", `TypeError: stream 1 has been given to a call already `},
		{"nothing to take", "call take [7]", `TypeError: stream 7 is closed, or never was `},
		{"taken the wrong way", "call long []\ncall take [1]", `TypeError: stream 1 is to be read, not written `},
		{"written the wrong way", "call long []\nwrite 1 1", `TypeError: stream 1 goes the other way `},
		{"read the wrong way", "call stream:open [0]\ncall stream:read [1]", `TypeError: stream 1 goes the other way `},
		{"nobody takes it", "call stream:open [0]\ncall refuse []\nwrite 1 1", `TypeError: nobody takes any more of what is written to stream 1 `},
		{"two at once", "call stuck []\ncall-only stream:read [1]\ncall stream:read [1]", `TypeError: stream 1 has a piece under way `},
		{"closed under a read", "call stuck []\ncall-only stream:read [1]\ncall stream:close [1]\nawait", `AbortError: the stream was aborted `},
		{"too many", strings.Repeat("call stream:open [0]\n", 65), `LimitError: an invocation can have at most 64 streams open `},
		{"not so many", strings.Repeat("call stream:open [0]\n", 64) + "call stream:close [3]\ncall stream:open [0]", `65`},
		{"a call that has ended", "call short []\ncall call:cancel [1]", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			deploy(t, s, "acme", "f", tt.commands+"\nanswer")
			r, err := s.Invoke(t.Context(), "acme", "f", nil)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if err := json.Unmarshal(r.Value, &got); err != nil || got != tt.want {
				t.Errorf("answered %q (%v), want %q", got, err, tt.want)
			}
		})
	}
	for _, src := range opened {
		awaitClosed(t, "a stream of an invocation that has ended", src.closed)
	}
	if n := s.Stats(); n.Ended["violation"] != 0 {
		t.Errorf("stats %+v", n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// failing fails, or panics.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		panic("password is 1234")
	}
	return 0, f.err
}

// What no sandbox of ours sends ends the process.
func TestStreamViolations(t *testing.T) {
	for name, command := range map[string]string{
		"no number":         "call stream:read []",
		"negative":          "call stream:read [-1]",
		"a float":           "call stream:read [1.5]",
		"too large":         "call stream:read [4294967296]",
		"two":               "call stream:read [1,2]",
		"text":              `call stream:close ["1"]`,
		"an empty piece":    "write 1 0",
		"too large a piece": fmt.Sprint("write 1 ", ipc.MaxPiece+1),
		"an unknown one":    "call stream:steal [1]",
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, nil)
			deploy(t, s, "acme", "f", command+"\nanswer")
			_, err := s.Invoke(t.Context(), "acme", "f", nil)
			wantOutcome(t, err, outcome.Crashed)
			if n := s.Stats(); n.Ended["violation"] != 1 {
				t.Errorf("stats %+v", n)
			}
		})
	}
}

// Pieces do not count as host calls, but refused ones do, and bytes are bounded.
func TestStreamLimits(t *testing.T) {
	s := open(t, apis(
		sends("endless", func() io.ReadCloser { return newSource(zeros{}) }),
		sends("drip", func() io.ReadCloser { return newSource(&drip{left: 12_000}) }),
		takes("take", func(int64, error) {}), upper(),
	))
	for _, tt := range []struct{ name, commands, want string }{
		{"endless", "call endless []\ndrain 1\nanswer", `LimitError: endless: an invocation can move at most 1073741824 bytes in and out `},
		{"many pieces", "call drip []\ndrain 1\nanswer", `12000 `},
		{"refusals", "calls 10000 stream:read [9]\ncall upper [\"a\"]\nanswer", `LimitError: an invocation can make at most 10000 host calls `},
		{"more refusals", "calls 10001 stream:close [9]\nanswer", `LimitError: an invocation can make at most 10000 host calls `},
		{"opens", strings.Repeat("call stream:open [0]\n", 64) + "calls 9937 stream:open [0]\nanswer", `LimitError: an invocation can make at most 10000 host calls `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			deploy(t, s, "acme", "f", tt.commands, timeout(30*time.Second))
			r, err := s.Invoke(t.Context(), "acme", "f", nil)
			var got string
			if err != nil || json.Unmarshal(r.Value, &got) != nil || !strings.HasSuffix(got, tt.want) {
				t.Errorf("answered %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

// drip gives a byte at a time.
type drip struct{ left int }

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	d.left--
	return 1, nil
}

// Whatever an invocation's end is, its streams end with it, and what they wait
// for: noLeaks looks for what is left.
func TestStreamsEndWithTheInvocation(t *testing.T) {
	opened := make(chan *source, 1)
	taken := make(chan error, 1)
	s := open(t, apis(
		sends("stuck", func() io.ReadCloser { st := newStuck(); opened <- st.source; return st }),
		takes("take", func(_ int64, err error) { taken <- err }),
	))
	for name, tt := range map[string]struct {
		commands string
		outcome  outcome.Outcome
	}{
		"deadline, reading":  {"call stuck []\ncall stream:read [1]\nreturn 1", outcome.Deadline},
		"returned, reading":  {"call stuck []\ncall-only stream:read [1]\nreturn 1", outcome.OK},
		"returned, unread":   {"call stuck []\nreturn 1", outcome.OK},
		"thrown":             {"call stuck []\nthrow Error no", outcome.Exception},
		"died":               {"call stuck []\ncall-only stream:read [1]\ndie", outcome.Crashed},
		"broke the protocol": {"call stuck []\nempty", outcome.Crashed},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-") // each has its own process
			deploy(t, s, tenant, "f", tt.commands, timeout(200*time.Millisecond))
			_, err := s.Invoke(t.Context(), tenant, "f", nil)
			if got := outcome.Of(err); got != tt.outcome {
				t.Errorf("got %v", err)
			}
			awaitClosed(t, "the stream", (<-opened).closed)
		})
	}
	for _, end := range []string{"return 1", "call-only stream:cancel [1]\nawait\nawait\nreturn 1"} {
		deploy(t, s, "acme", "f", "call stream:open [0]\ncall-only take [1]\nwrite 1 10\n"+end)
		r, err := s.Invoke(t.Context(), "acme", "f", nil)
		wantValue(t, r, err, "1")
		var known *platform.Error
		if err := <-taken; !errors.As(err, &known) || known.Name != "AbortError" {
			t.Errorf("%s: what was written ended with %v", end, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	deploy(t, s, "acme", "f", "call stuck []\nuntil-cancel")
	done := make(chan struct{})
	go func() {
		defer close(done)
		src := <-opened
		cancel()
		awaitClosed(t, "the stream of a canceled invocation", src.closed)
	}()
	_, err := s.Invoke(ctx, "acme", "f", nil)
	wantOutcome(t, err, outcome.Canceled)
	<-done
}

// A call that JavaScript cancels ends; others go on.
func TestCallCancel(t *testing.T) {
	ended := make(chan error, 1)
	slow := platform.API{Name: "slow", Func: func(ctx context.Context, c *platform.Call) (any, error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}
	outlives := platform.API{Name: "outlives", Func: func(ctx context.Context, c *platform.Call) (any, error) {
		src := newSource(nil)
		context.AfterFunc(ctx, func() { src.Close() })
		return c.Streams.Send(struct {
			io.Reader
			io.Closer
		}{readerFunc(func(p []byte) (int, error) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return copy(p, "alive"), io.EOF
		}), src})
	}}
	s := open(t, func(o *supervisor.Options) { o.APIs = []platform.API{slow, outlives, upper()} })
	deploy(t, s, "acme", "f", "call-only slow []\ncall upper [\"a\"]\ncall-only call:cancel [1]\nawait\nawait\ncall upper [\"b\"]\nanswer")
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, `"\"B\""`)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	deploy(t, s, "acme", "f", "call outlives []\ndrain 1\nanswer")
	r, err = s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, `"5 "`)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
