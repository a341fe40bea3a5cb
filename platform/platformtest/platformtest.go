// Package platformtest calls platform APIs as the supervisor does. Only tests
// import it.
package platformtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// Caller calls APIs for one tenant's function.
type Caller struct {
	T                testing.TB
	APIs             []platform.API
	Tenant, Function string
	Invocation       string
	Streams          *Streams
	// Seen are the attributes that the policy was last asked about.
	Seen policies.Attributes
}

// Call makes a host call and returns its result as value.Decode makes it.
// Arguments are what value.Encode takes.
func (c *Caller) Call(name string, args ...any) (any, error) {
	c.T.Helper()
	return c.CallContext(c.T.Context(), name, args...)
}

// CallContext is Call in an invocation that ends with ctx. As the supervisor's,
// the call's own context ends with the call, unless there are streams.
func (c *Caller) CallContext(ctx context.Context, name string, args ...any) (any, error) {
	c.T.Helper()
	for _, api := range c.APIs {
		if api.Name == name {
			return c.call(ctx, api, args)
		}
	}
	c.T.Fatalf("there is no API %s", name)
	return nil, nil
}

func (c *Caller) call(ctx context.Context, api platform.API, args []any) (any, error) {
	c.T.Helper()
	for len(args) > 0 && args[len(args)-1] == value.Undefined {
		args = args[:len(args)-1]
	}
	wire, err := value.Encode(append([]any{}, args...))
	if err != nil {
		c.T.Fatal(err)
	}
	list, err := value.Elements(wire)
	if err != nil {
		c.T.Fatal(err)
	}
	call := &platform.Call{Tenant: c.Tenant, Function: c.Function, Invocation: c.Invocation, Args: list, Wire: wire, Life: ctx, Emit: func(slog.Level, string) {}}
	call.Check = func(a policies.Attributes) (policies.Verdict, error) {
		c.Seen = a
		return policies.Verdict{Allowed: true}, nil
	}
	if c.Streams != nil {
		call.Streams = c.Streams
	}
	if api.Attributes != nil {
		if c.Seen, err = api.Attributes(list); err != nil {
			return nil, err
		}
	}
	own, cancel := context.WithCancel(ctx)
	if c.Streams == nil {
		defer cancel()
	} else {
		c.T.Cleanup(cancel)
	}
	var result any
	var done bool
	if api.AtOnce != nil && ctx.Err() == nil {
		result, done = api.AtOnce(call)
	}
	if !done {
		result, err = api.Func(own, call)
	}
	if err != nil || result == nil {
		return value.Undefined, err
	}
	if wire, err = value.Encode(result); err != nil {
		c.T.Fatalf("%s: its result cannot be encoded: %v", api.Name, err)
	}
	v, err := value.Decode(wire)
	if err != nil {
		c.T.Fatal(err)
	}
	return v, nil
}

// Must is Call for one that succeeds.
func (c *Caller) Must(name string, args ...any) any {
	c.T.Helper()
	v, err := c.Call(name, args...)
	if err != nil {
		c.T.Fatalf("%s: %v", name, err)
	}
	return v
}

// Fails is Call for one that throws an error of that name, which it returns.
func (c *Caller) Fails(errorName, name string, args ...any) *platform.Error {
	c.T.Helper()
	v, err := c.Call(name, args...)
	var known *platform.Error
	if !errors.As(err, &known) || known.Name != errorName {
		c.T.Fatalf("%s: got %v, %v; want a %s", name, v, err, errorName)
	}
	return known
}

// Streams are an invocation's byte streams in memory.
type Streams struct {
	mu   sync.Mutex
	next platform.StreamID
	in   map[platform.StreamID]io.ReadCloser
	out  map[platform.StreamID]io.ReadCloser
}

// Offer makes a stream that an API can receive.
func (s *Streams) Offer(r io.Reader) platform.StreamID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		s.in = map[platform.StreamID]io.ReadCloser{}
	}
	s.next++
	s.in[s.next] = io.NopCloser(r)
	return s.next
}

// Receive is of platform.Streams.
func (s *Streams) Receive(id platform.StreamID) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.in[id]
	if r == nil {
		return nil, platform.TypeErrorf("there is no stream %d", id)
	}
	delete(s.in, id)
	return r, nil
}

// Send is of platform.Streams.
func (s *Streams) Send(r io.ReadCloser) (platform.StreamID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		s.out = map[platform.StreamID]io.ReadCloser{}
	}
	s.next++
	s.out[s.next] = r
	return s.next, nil
}

// Read reads to its end what an API sent.
func (s *Streams) Read(t testing.TB, id platform.StreamID) []byte {
	t.Helper()
	s.mu.Lock()
	r := s.out[id]
	delete(s.out, id)
	s.mu.Unlock()
	if r == nil {
		t.Fatalf("there is no stream %d", id)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
