package ipc

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// rawChild is a child that has been taken over to the last byte: it shakes
// hands as it should, and what it then does with the connection is the test's.
// It lives in the test's own process.
type rawChild struct {
	pid   int
	serve func(net.Conn)

	out    *io.PipeReader
	in     *io.PipeWriter
	exited chan struct{}
	once   sync.Once
	mu     sync.Mutex
	ln     net.Listener
	conns  []net.Conn
	served sync.WaitGroup
}

func newRawChild(serve func(net.Conn)) *rawChild {
	c := &rawChild{pid: os.Getpid(), serve: serve, exited: make(chan struct{})}
	c.out, c.in = io.Pipe()
	return c
}

func (c *rawChild) Start(env []string) error {
	var dir string
	for _, e := range env {
		if d, ok := strings.CutPrefix(e, "PLUGIN_UNIX_SOCKET_DIR="); ok {
			dir = d
		}
	}
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.ln = ln
	c.mu.Unlock()
	c.served.Go(func() { _, _ = fmt.Fprintf(c.in, "1|%d|unix|%s|grpc|\n", Protocol, path) })
	c.served.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			c.served.Go(func() { c.serve(conn) })
		}
	})
	return nil
}

func (c *rawChild) PID() int                { return c.pid }
func (c *rawChild) Stdout() io.ReadCloser   { return c.out }
func (c *rawChild) Exited() <-chan struct{} { return c.exited }
func (c *rawChild) Tail() string            { return "" }
func (c *rawChild) How() string             { return "" }

// Kill does not wait: it may be called by what the child waits for.
func (c *rawChild) Kill() {
	c.once.Do(func() {
		c.mu.Lock()
		if c.ln != nil {
			_ = c.ln.Close()
		}
		for _, conn := range c.conns {
			_ = conn.Close()
		}
		c.mu.Unlock()
		_ = c.in.Close()
		go func() {
			c.served.Wait()
			close(c.exited)
		}()
	})
}

// startRaw starts a child with a timeout and checks in the end that nothing of
// it is left.
func startRaw(t *testing.T, c *rawChild, timeout time.Duration) (*Client, error) {
	t.Helper()
	before := runtime.NumGoroutine()
	dir, err := os.MkdirTemp("/tmp", "bi") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	client, err := Start(t.Context(), c, Config{Dir: dir, Timeout: timeout})
	t.Cleanup(func() {
		c.Kill()
		<-c.Exited()
		if client != nil {
			client.Close()
		}
		for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
	return client, err
}

// peer is the child's end of an HTTP/2 connection.
type peer struct {
	net.Conn
	*http2.Framer
	paths func(string)
}

// hello reads the client's preface and exchanges settings.
func (p *peer) hello(settings ...http2.Setting) error {
	if _, err := io.ReadFull(p.Conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	return p.WriteSettings(settings...)
}

// call reads until a request has come, and returns the number of its stream.
func (p *peer) call() (stream uint32, err error) {
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return 0, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := p.WriteSettingsAck(); err != nil {
					return 0, err
				}
			}
		case *http2.MetaHeadersFrame:
			if p.paths != nil {
				p.paths(f.PseudoValue("path"))
			}
			return f.StreamID, nil
		}
	}
}

// headers begins an answer, with further fields.
func (p *peer) headers(stream uint32, end bool, fields ...string) error {
	var block strings.Builder
	enc := hpack.NewEncoder(&block)
	fields = append([]string{":status", "200", "content-type", "application/grpc"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		if err := enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	// In pieces, as large as a frame may be.
	text := block.String()
	first := text[:min(len(text), 16<<10)]
	text = text[len(first):]
	if err := p.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(first), EndStream: end, EndHeaders: text == ""}); err != nil {
		return err
	}
	for text != "" {
		next := text[:min(len(text), 16<<10)]
		text = text[len(next):]
		if err := p.WriteContinuation(stream, text == "", []byte(next)); err != nil {
			return err
		}
	}
	return nil
}

// message begins a gRPC message that claims to be so long.
func message(compressed byte, length uint32, data string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{compressed}, length), data...)
}

// Whatever a child does to the connection, the calls on it end, by an error or
// by their own deadline, and the memory that it costs is bounded.
func TestHostileConnections(t *testing.T) {
	// until keeps f going until the connection fails, or f has gone on for as
	// long as anyone would wait for it to harm.
	const many = 200_000
	until := func(p *peer, f func(n int) error) {
		_ = p.SetWriteDeadline(time.Now().Add(2 * time.Second)) // it may well be blocked
		for n := range many {
			if f(n) != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name string
		want []codes.Code
		do   func(p *peer, stream uint32)
	}{
		{"a message of 2 GiB", []codes.Code{codes.ResourceExhausted}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(0, 1<<31-1, "x"))
		}},
		{"a message of 4 GiB", []codes.Code{codes.ResourceExhausted}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(0, 1<<32-1, "x"))
		}},
		{"a message that stops halfway", []codes.Code{codes.DeadlineExceeded}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(0, 1<<20, "x"))
		}},
		{"a compressed message", []codes.Code{codes.Internal, codes.Unimplemented}, func(p *peer, s uint32) {
			_ = p.headers(s, false, "grpc-encoding", "gzip")
			_ = p.WriteData(s, false, message(1, 20, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xed\xc1\x01\x01\x00\x00\x00\x80\x90\xfe"))
		}},
		{"a compressed message without a name for how", []codes.Code{codes.Internal, codes.Unimplemented}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(1, 4, "abcd"))
		}},
		{"a message that is none", []codes.Code{codes.Internal}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(0, 4, "\xff\xff\xff\xff"))
			_ = p.headers(s, true, "grpc-status", "0")
		}},
		{"large headers", []codes.Code{codes.Internal, codes.Unavailable}, func(p *peer, s uint32) {
			_ = p.headers(s, false, "x-large", strings.Repeat("x", 1<<20))
		}},
		{"many headers", []codes.Code{codes.Internal, codes.Unavailable}, func(p *peer, s uint32) {
			var fields []string
			for n := range 10_000 {
				fields = append(fields, fmt.Sprint("x-", n), "y")
			}
			_ = p.headers(s, false, fields...)
		}},
		{"headers without end", []codes.Code{codes.Internal, codes.Unavailable, codes.DeadlineExceeded}, func(p *peer, s uint32) {
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: []byte{0x88}})
			until(p, func(int) error { return p.WriteContinuation(s, false, make([]byte, 16<<10)) })
		}},
		{"a status of megabytes", []codes.Code{codes.Internal, codes.Unavailable}, func(p *peer, s uint32) {
			_ = p.headers(s, true, "grpc-status", "13", "grpc-message", strings.Repeat("%41", 1<<20))
		}},
		{"a status that is no number", []codes.Code{1<<32 - 1}, func(p *peer, s uint32) { _ = p.headers(s, true, "grpc-status", "-1") }},
		{"another media type", []codes.Code{codes.Unknown, codes.Internal}, func(p *peer, s uint32) {
			var block strings.Builder
			enc := hpack.NewEncoder(&block)
			_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: "302"})
			_ = enc.WriteField(hpack.HeaderField{Name: "location", Value: "http://127.0.0.1:1/"})
			_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: s, BlockFragment: []byte(block.String()), EndStream: true, EndHeaders: true})
		}},
		{"pings without end", []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, func(p *peer, s uint32) {
			until(p, func(n int) error { return p.WritePing(false, [8]byte{byte(n)}) })
		}},
		{"settings without end", []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, func(p *peer, s uint32) {
			until(p, func(n int) error {
				return p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(n)})
			})
		}},
		{"priorities without end", []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, func(p *peer, s uint32) {
			until(p, func(n int) error { return p.WritePriority(uint32(2*n+1), http2.PriorityParam{Weight: 1}) })
		}},
		{"resets without end", []codes.Code{codes.Unavailable, codes.Canceled, codes.Internal, codes.DeadlineExceeded}, func(p *peer, s uint32) {
			until(p, func(n int) error { return p.WriteRSTStream(s+uint32(2*n), http2.ErrCodeCancel) })
		}},
		{"empty data without end", []codes.Code{codes.DeadlineExceeded, codes.Unavailable, codes.Internal}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			until(p, func(int) error { return p.WriteData(s, false, nil) })
		}},
		{"empty messages without end", []codes.Code{codes.Internal, codes.ResourceExhausted, codes.DeadlineExceeded, codes.Unavailable, codes.Unimplemented}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			until(p, func(int) error { return p.WriteData(s, false, message(0, 0, "")) })
		}},
		{"data of streams that nobody opened", []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, func(p *peer, s uint32) {
			until(p, func(n int) error { return p.WriteData(uint32(2*n+1001), false, make([]byte, 16<<10)) })
		}},
		{"more than the window", []codes.Code{codes.Internal, codes.Unavailable, codes.ResourceExhausted}, func(p *peer, s uint32) {
			_ = p.headers(s, false)
			_ = p.WriteData(s, false, message(0, MaxFrame, ""))
			until(p, func(int) error { return p.WriteData(s, false, make([]byte, 16<<10)) })
		}},
		{"a stream of its own", []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal}, func(p *peer, s uint32) {
			_ = p.WritePushPromise(http2.PushPromiseParam{StreamID: s, PromiseID: 2, BlockFragment: []byte{0x82}, EndHeaders: true})
			_ = p.headers(2, true, "grpc-status", "0")
		}},
		{"a window that overflows", []codes.Code{codes.Unavailable, codes.Internal, codes.DeadlineExceeded}, func(p *peer, s uint32) {
			for range 4 {
				_ = p.WriteWindowUpdate(0, 1<<31-1)
				_ = p.WriteWindowUpdate(s, 1<<31-1)
			}
		}},
		{"a frame that is too large", []codes.Code{codes.Unavailable, codes.DeadlineExceeded}, func(p *peer, s uint32) {
			_, _ = p.Conn.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, byte(s)})
			until(p, func(int) error { _, err := p.Conn.Write(make([]byte, 64<<10)); return err })
		}},
		{"frames of unknown kinds", []codes.Code{codes.DeadlineExceeded, codes.Unavailable}, func(p *peer, s uint32) {
			until(p, func(n int) error { return p.WriteRawFrame(http2.FrameType(0x20+n%200), 0xff, s, nil) })
		}},
		{"going away", []codes.Code{codes.Unavailable}, func(p *peer, s uint32) { _ = p.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")) }},
		{"going away at length", []codes.Code{codes.Unavailable}, func(p *peer, s uint32) {
			_ = p.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings"+strings.Repeat("\x1b[2J\n", 3000)))
		}},
		{"a reset", []codes.Code{codes.Unavailable, codes.Internal, codes.Canceled, codes.ResourceExhausted}, func(p *peer, s uint32) { _ = p.WriteRSTStream(s, http2.ErrCodeEnhanceYourCalm) }},
		{"silence", []codes.Code{codes.DeadlineExceeded}, func(p *peer, s uint32) {}},
		{"hanging up", []codes.Code{codes.Unavailable}, func(p *peer, s uint32) { _ = p.Close() }},
		{"HTTP/1.1", []codes.Code{codes.Unavailable}, func(p *peer, s uint32) { _, _ = io.WriteString(p.Conn, "HTTP/1.1 200 OK\r\n\r\n") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			debug.FreeOSMemory()
			before := heap()
			acted := make(chan struct{})
			c := newRawChild(func(conn net.Conn) {
				p := &peer{Conn: conn, Framer: http2.NewFramer(conn, conn)}
				p.AllowIllegalWrites = true
				if p.hello() != nil {
					return
				}
				s, err := p.call()
				if err != nil {
					return
				}
				tt.do(p, s)
				close(acted)
			})
			client, err := startRaw(t, c, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			limit := 20 * time.Second // for a busy machine
			if slices.Contains(tt.want, codes.DeadlineExceeded) {
				limit = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err = client.Stats(ctx, &sandboxpb.StatsRequest{})
			if code := status.Code(err); !slices.Contains(tt.want, code) {
				t.Errorf("ended with %v, want %v", err, tt.want)
			}
			if len(fmt.Sprint(err)) > 64<<10 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			<-acted
			if grown := heap() - before; grown > 48<<20 {
				t.Errorf("the heap has grown by %d MiB", grown>>20)
			}
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A child that lets nothing be sent holds up a call for as long as that may
// take, and no longer.
func TestWindowOfNothing(t *testing.T) {
	c := newRawChild(func(conn net.Conn) {
		p := &peer{Conn: conn, Framer: http2.NewFramer(conn, conn)}
		if p.hello(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) != nil {
			return
		}
		for {
			if _, err := p.call(); err != nil {
				return
			}
		}
	})
	client, err := startRaw(t, c, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.Load(ctx, &sandboxpb.LoadRequest{Source: strings.Repeat("x", 5<<20)}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call ended with %v", err)
	}
}

// A child that is not who it says, or never gets as far as HTTP/2, is not
// started.
func TestConnectionsThatAreNone(t *testing.T) {
	for _, tt := range []struct {
		name  string
		child *rawChild
		want  string
	}{
		{"another process", &rawChild{pid: os.Getppid(), serve: func(net.Conn) {}}, "does not answer on its socket"},
		{"no process", &rawChild{serve: func(net.Conn) {}}, "does not answer on its socket"},
		{"silence", &rawChild{pid: os.Getpid(), serve: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }}, "not ready in time"},
		{"noise", &rawChild{pid: os.Getpid(), serve: func(c net.Conn) {
			for {
				if _, err := c.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}}, "not answer"},
		{"hanging up", &rawChild{pid: os.Getpid(), serve: func(c net.Conn) { _ = c.Close() }}, "not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.child.exited = make(chan struct{})
			tt.child.out, tt.child.in = io.Pipe()
			limit := 20 * time.Second
			if tt.name == "silence" {
				limit = 200 * time.Millisecond
			}
			_, err := startRaw(t, tt.child, limit)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			select {
			case <-tt.child.exited:
			default:
				t.Error("the child is alive")
			}
		})
	}
}

// go-plugin's own streams, by which a child could have addresses dialled and
// memory held for as many numbers as it likes, are never opened; nor can they
// be.
func TestNoBroker(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	c := newRawChild(func(conn net.Conn) {
		p := &peer{Conn: conn, Framer: http2.NewFramer(conn, conn)}
		p.paths = func(path string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, path)
		}
		if p.hello() != nil {
			return
		}
		for {
			s, err := p.call()
			if err != nil || p.headers(s, true, "grpc-status", "5") != nil {
				return
			}
		}
	})
	client, err := startRaw(t, c, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"/plugin.GRPCBroker/StartStream", "/plugin.GRPCStdio/StreamStdio", "/plugin.Anything/AtAll"} {
		_, err := client.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := client.Stats(t.Context(), &sandboxpb.StatsRequest{}); status.Code(err) != codes.NotFound {
		t.Errorf("the child's answer: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 || asked[0] != "/bulkhead.sandbox.v1.Sandbox/Stats" {
		t.Errorf("the child was asked for %v", asked)
	}
}
