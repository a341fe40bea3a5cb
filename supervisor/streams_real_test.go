package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// pattern is n bytes that are easy to check.
type pattern struct {
	at, n  int64
	closed chan struct{}
	once   sync.Once
}

func (p *pattern) Read(buf []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	n := int(min(int64(len(buf)), p.n-p.at))
	for i := range buf[:n] {
		buf[i] = byte((p.at + int64(i)) % 251)
	}
	p.at += int64(n)
	return n, nil
}

func (p *pattern) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// bodies is an API in the place of fetch: the URL's path says what it answers,
// and what it is sent goes where received says.
func bodies(received func(io.ReadCloser) any, answer func(path string) io.ReadCloser) platform.API {
	return platform.API{Name: "fetch", Func: func(_ context.Context, c *platform.Call) (any, error) {
		var url string
		var init struct{ BodyStream *platform.StreamID }
		if _, err := c.Arg(0, "url", &url); err != nil {
			return nil, err
		}
		if _, err := c.Arg(1, "init", &init); err != nil {
			return nil, err
		}
		result := map[string]any{"url": url, "status": 200, "headers": [][2]string{}}
		if init.BodyStream != nil {
			r, err := c.Streams.Receive(*init.BodyStream)
			if err != nil {
				return nil, err
			}
			text, err := json.Marshal(received(r))
			result["body"] = string(text)
			return result, err
		}
		id, err := c.Streams.Send(answer(url))
		result["bodyStream"] = id
		return result, err
	}}
}

// A function with the smallest usual memory passes a large body on: what it reads
// from one answer is what it sends with the next request.
func TestRealLargeBodies(t *testing.T) {
	const size = 100 << 20
	sum := func(r io.ReadCloser) any {
		defer r.Close()
		n, bad := int64(0), int64(0)
		buf := make([]byte, 32<<10)
		for {
			m, err := r.Read(buf)
			for _, b := range buf[:m] {
				if b != byte(n%251) {
					bad++
				}
				n++
			}
			if err == io.EOF {
				return []int64{n, bad}
			}
			if err != nil {
				return err.Error()
			}
		}
	}
	s := openReal(t, func(o *supervisor.Options) {
		apis(bodies(sum, func(string) io.ReadCloser { return &pattern{n: size, closed: make(chan struct{})} }))(o)
		o.Tiers = map[string]supervisor.Tier{"default": {MaxTimeout: 10 * time.Minute}}
	})
	deploy(t, s, "acme", "pass", `async () => {
		const { body } = await fetch('http://source/');
		return await (await fetch('http://sink/', { method: 'POST', body, duplex: 'half' })).json();
	}`, timeout(10*time.Minute), func(f *supervisor.FunctionSpec) { f.Memory = 5 << 20 })
	start := time.Now()
	r, err := s.Invoke(t.Context(), "acme", "pass", nil)
	wantValue(t, r, err, fmt.Sprint("[", size, ",0]"))
	t.Logf("%.0f MB/s in and out", size/1e6/time.Since(start).Seconds())
}

// JavaScript that leaves a body unread, cancels it or aborts its request leaves
// nothing behind.
func TestRealBodiesAreClosed(t *testing.T) {
	opened := make(chan *pattern, 1)
	s := openReal(t, apis(bodies(func(r io.ReadCloser) any {
		defer r.Close()
		_, err := io.Copy(io.Discard, r)
		return fmt.Sprint(err)
	}, func(string) io.ReadCloser {
		p := &pattern{n: 1 << 40, closed: make(chan struct{})}
		opened <- p
		return p
	})))
	for name, tt := range map[string]struct{ code, want string }{
		"unread":    {`async () => (await fetch('http://h/')).status`, `200`},
		"canceled":  {`async () => { const r = await fetch('http://h/'); await r.body.cancel(); return r.bodyUsed }`, `true`},
		"left":      {`async () => { for await (const chunk of (await fetch('http://h/')).body) return chunk.length > 0 }`, `true`},
		"aborted":   {`async () => { const c = new AbortController(); const r = await fetch('http://h/', { signal: c.signal }); const p = r.text(); c.abort(); try { await p } catch (e) { return e.name } }`, `"AbortError"`},
		"timed out": {`async () => { const r = await fetch('http://h/', { signal: AbortSignal.timeout(50) }); try { for await (const chunk of r.body); } catch (e) { return e.name } }`, `"TimeoutError"`},
	} {
		t.Run(name, func(t *testing.T) {
			deploy(t, s, "acme", "f", tt.code, timeout(30*time.Second))
			r, err := s.Invoke(t.Context(), "acme", "f", nil)
			wantValue(t, r, err, tt.want)
			awaitClosed(t, "the body", (<-opened).closed)
		})
	}
	deploy(t, s, "acme", "f", `async () => {
		let canceled;
		const body = new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(100)) }, cancel(reason) { canceled = reason } });
		const c = new AbortController();
		const p = fetch('http://h/', { method: 'POST', body, duplex: 'half', signal: c.signal });
		setTimeout(() => c.abort(new Error('enough')), 20);
		try { await p } catch (e) { return [e.message, canceled === e] }
	}`, timeout(30*time.Second))
	r, err := s.Invoke(t.Context(), "acme", "f", nil)
	wantValue(t, r, err, `["enough",true]`)
}
