package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox"
)

// cacheDir holds the compiled engine for all tests of the package.
var cacheDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkhead-sandbox")
	if err != nil {
		panic(err)
	}
	cacheDir = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// world is a sandbox server behind a real gRPC connection, with the part of
// the supervisor played by the test.
type world struct {
	t      testing.TB
	client sandboxpb.SandboxClient
	// apis answer host calls by name; a missing one is answered null.
	apis map[string]func(args []json.RawMessage) (any, *sandboxpb.Exception)
	// fingerprint is what Assign returned; files sends files to the server.
	fingerprint string
	files       *ipc.FileSender
	slots       int
	// raw answers those that apis lack, from wire form to wire form.
	raw map[string]func(args []byte) []byte

	streams
}

type run struct {
	*sandboxpb.Result
	logs  []*sandboxpb.Log
	calls []*sandboxpb.HostCall
}

func (r run) outcome() outcome.Outcome { return outcome.Outcome(r.Outcome) }

var testAPIs = []*sandboxpb.API{
	{Name: "log", Sync: true}, {Name: "fetch"}, {Name: "db_query"}, {Name: "kv.get"}, {Name: "add", Sync: true},
	{Name: "db.query"}, {Name: "db.exec"}, {Name: "db.transaction"},
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, testAPIs)
}

func newWorldWith(t testing.TB, apis []*sandboxpb.API) *world {
	t.Helper()
	sender, end, err := ipc.NewFileSender()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(sender.Close(), end.Close()) })
	server, err := sandbox.New(context.Background(), sandbox.Options{
		CacheDir: cacheDir,
		Files:    ipc.NewFileReceiver(int(end.Fd())),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	g := grpc.NewServer(grpc.MaxRecvMsgSize(8 << 20))
	sandboxpb.RegisterSandboxServer(g, server)
	var served sync.WaitGroup
	served.Go(func() { _ = g.Serve(listener) })
	conn, err := grpc.NewClient("passthrough:///sandbox", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		g.Stop()
		served.Wait()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, client: sandboxpb.NewSandboxClient(conn), files: sender}
	assigned, err := w.client.Assign(t.Context(), &sandboxpb.AssignRequest{Tenant: "acme", Apis: apis})
	if err != nil {
		t.Fatal(err)
	}
	w.fingerprint = assigned.GetFingerprint()
	return w
}

// request is a LoadRequest with the product's defaults.
func request(version, source string) *sandboxpb.LoadRequest {
	return &sandboxpb.LoadRequest{
		Version: version, Function: "f", Source: source, Memory: 5 << 20,
		TimeoutNs: int64(time.Second), Concurrency: 4,
	}
}

func (w *world) load(r *sandboxpb.LoadRequest) *sandboxpb.LoadResponse {
	w.t.Helper()
	response, err := w.client.Load(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return response
}

func (w *world) mustLoad(r *sandboxpb.LoadRequest) *sandboxpb.LoadResponse {
	w.t.Helper()
	response := w.load(r)
	if len(response.GetProblems()) > 0 || outcome.Outcome(response.GetOutcome()) != outcome.OK {
		w.t.Fatalf("loading: %v", response)
	}
	return response
}

// slot is one open execution slot.
type slot struct {
	w      *world
	stream *ipc.Slot
	last   uint64
	sendMu sync.Mutex
}

func (w *world) slot() *slot {
	w.t.Helper()
	stream, theirs, err := ipc.NewSlot()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = stream.Close() })
	defer theirs.Close()
	w.slots++
	name := fmt.Sprint("slot ", w.slots)
	if err := w.files.Send(name, theirs); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client.OpenSlot(w.t.Context(), &sandboxpb.OpenSlotRequest{Name: name}); err != nil {
		w.t.Fatal(err)
	}
	return &slot{w: w, stream: stream}
}

func (s *slot) send(f *sandboxpb.ToSandbox) {
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	if err := s.stream.Send(f); err != nil {
		s.w.t.Error(err)
	}
}

func (s *slot) start(version, event string, timeout time.Duration) uint64 {
	s.last++
	s.send(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_Invoke{Invoke: &sandboxpb.Invoke{
		Invocation: s.last, Version: version, Event: []byte(event), TimeoutNs: int64(timeout),
	}}})
	return s.last
}

// finish serves the invocation until its result.
func (s *slot) finish() run {
	s.w.t.Helper()
	var r run
	var answers sync.WaitGroup
	defer answers.Wait()
	for {
		f, err := s.stream.Recv()
		if err != nil {
			s.w.t.Fatal(err)
		}
		switch f := f.GetFrame().(type) {
		case *sandboxpb.FromSandbox_Log:
			r.logs = append(r.logs, f.Log)
		case *sandboxpb.FromSandbox_HostCall:
			r.calls = append(r.calls, f.HostCall)
			answers.Go(func() { s.answer(f.HostCall) })
		case *sandboxpb.FromSandbox_Result:
			r.Result = f.Result
			return r
		}
	}
}

func (s *slot) answer(c *sandboxpb.HostCall) {
	result := &sandboxpb.HostResult{Invocation: c.GetInvocation(), Call: c.GetCall()}
	if op, number, ok, err := ipc.CheckControl(c); ok || err != nil {
		if err != nil {
			s.w.t.Error(err)
		}
		s.w.control(op, number, c.GetData(), result)
	} else if api := s.w.apis[c.GetApi()]; api != nil {
		var args []json.RawMessage
		if err := json.Unmarshal(c.GetArgs(), &args); err != nil {
			s.w.t.Error(err)
		}
		value, exception := api(args)
		result.Exception = exception
		if exception == nil && value != nil {
			result.Value, _ = json.Marshal(value)
		}
	} else if raw := s.w.raw[c.GetApi()]; raw != nil {
		result.Value = raw(c.GetArgs())
	} else {
		result.Value = []byte("null")
	}
	s.send(&sandboxpb.ToSandbox{Frame: &sandboxpb.ToSandbox_HostResult{HostResult: result}})
}

func (s *slot) invoke(version, event string) run {
	s.w.t.Helper()
	s.start(version, event, 5*time.Second)
	return s.finish()
}
