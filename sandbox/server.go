package sandbox

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// Options configure a Server.
type Options struct {
	// CacheDir keeps QuickJS's compiled code between processes; "" compiles
	// it anew, which takes about half a second. Nobody else may write to it.
	CacheDir string
	// Files is where the supervisor sends snapshots of other processes. With
	// nil there are none.
	Files *ipc.FileReceiver
}

// Server implements sandboxpb.SandboxServer for one tenant.
type Server struct {
	sandboxpb.UnimplementedSandboxServer

	engine *quickjs.Engine
	base   *base
	print  hash.Hash // of all that snapshots depend on but the APIs
	files  *ipc.FileReceiver
	taking sync.Mutex // held while files is read

	mu       sync.Mutex
	assigned bool
	apis     []*sandboxpb.API
	versions map[string]*version
	premade  *quickjs.Instance // of the base, for the first load; nil once taken
	tidy     *time.Timer       // gives memory back when nothing has run for a while
	running  sync.WaitGroup    // slots and loads
}

var _ sandboxpb.SandboxServer = (*Server)(nil)

// New compiles the engine and evaluates the prelude: all that a process can do
// before it knows its tenant. Close the Server when it is served no more.
func New(ctx context.Context, o Options) (*Server, error) {
	engine, err := quickjs.NewEngine(ctx, o.CacheDir)
	if err != nil {
		return nil, err
	}
	s := &Server{engine: engine, print: newFingerprint(), files: o.Files, versions: make(map[string]*version)}
	if s.base, err = newBase(engine); err == nil {
		s.premade, err = engine.NewInstanceFrom(s.base.snapshot, premadeMemory)
	}
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	// Idle processes are what memory is spent on, and starting leaves several
	// times more garbage than the process will ever hold again.
	s.tidy = time.AfterFunc(idleAfter, debug.FreeOSMemory)
	return s, nil
}

const (
	// premadeMemory is the largest cap that the premade instance can be given.
	premadeMemory = 64 << 20
	// idleAfter is when a process that has nothing to do gives memory back.
	idleAfter = 500 * time.Millisecond
)

// baseInstance returns an instance of the base with linear memory capped at
// memory bytes: the premade one if it is still there.
func (s *Server) baseInstance(memory uint64) (*quickjs.Instance, error) {
	s.mu.Lock()
	premade := s.premade
	s.premade = nil
	s.mu.Unlock()
	if premade != nil {
		if premade.LimitMemory(memory) {
			return premade, nil
		}
		premade.Close()
	}
	return s.engine.NewInstanceFrom(s.base.snapshot, memory)
}

// Close drops every version and the engine. It waits for the calls that are
// under way, which end when their connection does.
func (s *Server) Close() error {
	s.running.Wait()
	s.tidy.Stop()
	if s.premade != nil {
		s.premade.Close()
	}
	for _, v := range s.versions {
		v.unload()
	}
	s.base.snapshot.Close()
	return s.engine.Close()
}

// Assign implements sandboxpb.SandboxServer.
func (s *Server) Assign(_ context.Context, r *sandboxpb.AssignRequest) (*sandboxpb.AssignResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assigned {
		return nil, status.Error(codes.FailedPrecondition, "the process has a tenant already")
	}
	name, err := fingerprint(s.print, r.GetApis())
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	s.assigned, s.apis = true, r.GetApis()
	return &sandboxpb.AssignResponse{Fingerprint: name}, nil
}

// Load implements sandboxpb.SandboxServer.
func (s *Server) Load(_ context.Context, r *sandboxpb.LoadRequest) (*sandboxpb.LoadResponse, error) {
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Lock()
	assigned, apis, known := s.assigned, s.apis, s.versions[r.GetVersion()]
	s.mu.Unlock()
	switch {
	case !assigned:
		return nil, status.Error(codes.FailedPrecondition, "the process has no tenant yet")
	case known != nil:
		return &sandboxpb.LoadResponse{Shape: known.shape, Outcome: uint32(outcome.OK)}, nil
	}
	if len(r.GetSnapshot()) > 0 {
		l, err := s.loadSnapshot(r)
		if err != nil {
			return &sandboxpb.LoadResponse{Refusal: ipc.Clip(err.Error(), ipc.MaxDetail)}, nil
		}
		return s.add(r, l, nil), nil
	}
	l, logs, err := s.load(apis, r)
	var fault *loadError
	switch {
	case errors.As(err, &fault):
		return &sandboxpb.LoadResponse{Outcome: uint32(fault.outcome), Problems: []*sandboxpb.Problem{fault.problem}, Logs: logs}, nil
	case err != nil:
		return nil, status.Error(codes.Internal, err.Error())
	}
	return s.add(r, l, logs), nil
}

// add makes a version of what was loaded.
func (s *Server) add(r *sandboxpb.LoadRequest, l *loaded, logs []*sandboxpb.Log) *sandboxpb.LoadResponse {
	v := newVersion(s.engine, l, r)
	s.mu.Lock()
	twin := s.versions[r.GetVersion()] // loaded meanwhile
	s.versions[r.GetVersion()] = v
	s.mu.Unlock()
	if twin != nil {
		twin.unload()
	}
	return &sandboxpb.LoadResponse{Shape: l.shape, Outcome: uint32(outcome.OK), Logs: logs}
}

func (s *Server) load(apis []*sandboxpb.API, r *sandboxpb.LoadRequest) (*loaded, []*sandboxpb.Log, error) {
	inst, err := s.baseInstance(r.GetMemory())
	switch {
	case errors.Is(err, quickjs.ErrMemory):
		return nil, nil, tooSmall(r, s.base.snapshot.Size())
	case err != nil:
		return nil, nil, err
	}
	return load(inst, s.base, apis, r)
}

// Unload implements sandboxpb.SandboxServer.
func (s *Server) Unload(_ context.Context, r *sandboxpb.UnloadRequest) (*sandboxpb.UnloadResponse, error) {
	s.mu.Lock()
	v := s.versions[r.GetVersion()]
	delete(s.versions, r.GetVersion())
	s.mu.Unlock()
	if v != nil {
		v.unload()
	}
	return &sandboxpb.UnloadResponse{}, nil
}

// Stats implements sandboxpb.SandboxServer.
func (s *Server) Stats(context.Context, *sandboxpb.StatsRequest) (*sandboxpb.StatsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &sandboxpb.StatsResponse{Versions: uint32(len(s.versions))}
	for _, v := range s.versions {
		live, busy, memory := v.count()
		r.Instances += uint32(live)
		r.Busy += uint32(busy)
		r.LinearMemory += memory
	}
	return r, nil
}

// OpenSlot implements sandboxpb.SandboxServer.
func (s *Server) OpenSlot(_ context.Context, r *sandboxpb.OpenSlotRequest) (*sandboxpb.OpenSlotResponse, error) {
	fd, err := s.take(r.GetName())
	if err != nil {
		return nil, status.Error(codes.ResourceExhausted, err.Error())
	}
	s.running.Go(func() { s.slot(ipc.OpenSlot(fd)) })
	return &sandboxpb.OpenSlotResponse{}, nil
}

// take takes a file that the supervisor has sent.
func (s *Server) take(name string) (fd int, err error) {
	if s.files == nil {
		return -1, ipc.ErrNoFile
	}
	s.taking.Lock()
	defer s.taking.Unlock()
	return s.files.Take(name)
}

// slot serves one slot until its connection ends.
func (s *Server) slot(conn *ipc.SandboxSlot) {
	defer conn.Close()
	inbox := newInbox()
	defer inbox.close()
	invokes, stopped := make(chan *sandboxpb.Invoke), make(chan struct{})
	go func() {
		defer close(invokes)
		read(conn, inbox, invokes, stopped)
	}()
	defer close(stopped)
	for r := range invokes {
		if err := s.invoke(conn, inbox, r); err != nil {
			return
		}
	}
}

// read takes frames off the connection until it ends.
func read(conn *ipc.SandboxSlot, inbox *inbox, invokes chan<- *sandboxpb.Invoke, stopped <-chan struct{}) {
	for {
		f, err := conn.Recv()
		if err != nil {
			inbox.cancel(0, true)
			return
		}
		switch f := f.GetFrame().(type) {
		case *sandboxpb.ToSandbox_HostResult:
			inbox.put(f.HostResult)
		case *sandboxpb.ToSandbox_Cancel:
			inbox.cancel(f.Cancel.GetInvocation(), false)
		case *sandboxpb.ToSandbox_Invoke:
			select {
			case invokes <- f.Invoke:
			case <-stopped:
				return
			}
		}
	}
}

// invoke runs one invocation on the slot and sends its result.
func (s *Server) invoke(conn *ipc.SandboxSlot, inbox *inbox, r *sandboxpb.Invoke) error {
	s.mu.Lock()
	v, apis := s.versions[r.GetVersion()], s.apis
	s.mu.Unlock()
	reply := func(result *sandboxpb.Result) error {
		return conn.Send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Result{Result: result}})
	}
	if v == nil {
		return reply(&sandboxpb.Result{
			Invocation: r.GetInvocation(), Outcome: uint32(outcome.NotFound),
			Detail: fmt.Sprintf("version %q is not loaded", r.GetVersion()),
		})
	}
	inst, isNew, err := v.acquire()
	if err != nil {
		return reply(&sandboxpb.Result{Invocation: r.GetInvocation(), Outcome: uint32(outcome.Of(err)), Detail: err.Error()})
	}
	inv := &invocation{id: r.GetInvocation(), version: v, inst: inst, send: conn.Send, flush: conn.Flush, apis: apis, inbox: inbox, refused: r.GetRefused(), policy: r.GetPolicy(), http: r.GetHttp()}
	if err := inv.script(r); err != nil {
		v.release(inst)
		return reply(&sandboxpb.Result{Invocation: r.GetInvocation(), Outcome: uint32(outcome.Internal), Detail: err.Error()})
	}
	result := inv.run(r.GetEvent(), time.Duration(r.GetTimeoutNs()), time.Duration(r.GetCpuNs()))
	result.NewInstance = isNew
	err = reply(result)
	// The caller has its answer: what the next invocation needs comes after.
	v.release(inst)
	s.tidy.Reset(idleAfter)
	return err
}
