package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/sandbox/prelude"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// snapshotFormat changes when sandboxpb.Snapshot changes its meaning.
const snapshotFormat = 1

// newFingerprint begins the name of what a snapshot depends on; the APIs, which
// are globals in it, are still to come.
func newFingerprint() hash.Hash {
	h := sha256.New()
	engine := quickjs.Fingerprint()
	fmt.Fprintln(h, snapshotFormat, hex.EncodeToString(engine[:]), prelude.Source)
	for n := range prelude.Lazy() {
		fmt.Fprintln(h, prelude.LazySource(n))
	}
	return h
}

// fingerprint finishes what newFingerprint began.
func fingerprint(h hash.Hash, apis []*sandboxpb.API) (string, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(&sandboxpb.AssignRequest{Apis: apis})
	if err != nil {
		return "", fmt.Errorf("sandbox: naming the APIs: %w", err)
	}
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil))[:ipc.FingerprintLen], nil
}

// describe says what another process must know of l to use its snapshot.
func (l *loaded) describe() *sandboxpb.Snapshot {
	layout := l.snapshot.Layout()
	d := &sandboxpb.Snapshot{
		Size: layout.Size, StackBlock: layout.StackBlock, StackPointer: layout.StackPointer,
		Runtime: layout.Runtime, Context: layout.Context, Scratch: layout.Scratch,
		ObjectPrototype: l.bridge.prototypes.Object, ArrayPrototype: l.bridge.prototypes.Array,
		Shape: l.shape, Shifted: l.shifted,
	}
	for _, r := range layout.Runs {
		d.Runs = append(d.Runs, r.Start/quickjs.RunUnit, r.End/quickjs.RunUnit)
	}
	for _, f := range l.bridge.functions() {
		d.Bridge = append(d.Bridge, uint64(*f))
	}
	return d
}

// parseSnapshot reads what describe wrote, in another process, and checks all
// that package quickjs cannot.
func parseSnapshot(raw []byte) (l loaded, layout quickjs.Layout, err error) {
	var d sandboxpb.Snapshot
	if err := proto.Unmarshal(raw, &d); err != nil {
		return l, layout, errors.New("its description cannot be decoded")
	}
	layout = quickjs.Layout{
		Size: d.GetSize(), StackBlock: d.GetStackBlock(), StackPointer: d.GetStackPointer(),
		Runtime: d.GetRuntime(), Context: d.GetContext(), Scratch: d.GetScratch(),
	}
	if len(d.GetRuns())%2 != 0 {
		return l, layout, errors.New("half a run")
	}
	for pair := range slices.Chunk(d.GetRuns(), 2) {
		if max(pair[0], pair[1]) > quickjs.MaxRun {
			return l, layout, fmt.Errorf("a run of the pages %d to %d", pair[0], pair[1])
		}
		layout.Runs = append(layout.Runs, quickjs.Run{Start: pair[0] * quickjs.RunUnit, End: pair[1] * quickjs.RunUnit})
	}
	functions := l.bridge.functions()
	if len(d.GetBridge()) != len(functions) {
		return l, layout, fmt.Errorf("%d functions of the prelude", len(d.GetBridge()))
	}
	for n, f := range functions {
		*f = quickjs.Value(d.GetBridge()[n])
		if !f.IsObject() {
			return l, layout, fmt.Errorf("function %s of the prelude is %#x", prelude.Bridge[n], uint64(*f))
		}
	}
	switch d.GetShape() {
	case sandboxpb.Shape_SHAPE_EXPRESSION, sandboxpb.Shape_SHAPE_MODULE_FUNCTION, sandboxpb.Shape_SHAPE_MODULE_FETCH:
	default:
		return l, layout, fmt.Errorf("shape %d", d.GetShape())
	}
	l.bridge.prototypes = quickjs.Prototypes{Object: d.GetObjectPrototype(), Array: d.GetArrayPrototype()}
	l.shape, l.shifted = d.GetShape(), d.GetShifted()
	return l, layout, nil
}

// loadSnapshot makes a version of a snapshot that another process has exported.
// Any error means that the source has to be loaded instead.
func (s *Server) loadSnapshot(r *sandboxpb.LoadRequest) (*loaded, error) {
	fd, err := s.take(r.GetVersion())
	if err != nil {
		return nil, err
	}
	l, layout, err := parseSnapshot(r.GetSnapshot())
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if l.snapshot, err = quickjs.OpenSnapshot(layout, fd); err != nil {
		return nil, err
	}
	if l.first, err = s.engine.NewInstanceFrom(l.snapshot, r.GetMemory()); err != nil {
		l.snapshot.Close()
		return nil, err
	}
	return &l, nil
}

// Export implements sandboxpb.SandboxServer.
func (s *Server) Export(r *sandboxpb.ExportRequest, stream sandboxpb.Sandbox_ExportServer) error {
	s.running.Add(1)
	defer s.running.Done()
	s.mu.Lock()
	v := s.versions[r.GetVersion()]
	s.mu.Unlock()
	if v == nil || !v.hold() {
		return status.Errorf(codes.NotFound, "version %q is not loaded", r.GetVersion())
	}
	defer v.letGo()
	raw, err := proto.Marshal(v.describe())
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if err := stream.Send(&sandboxpb.SnapshotPart{Snapshot: raw}); err != nil {
		return err
	}
	for part := range slices.Chunk(v.snapshot.Memory(), ipc.MaxSnapshotPart) {
		if err := stream.Send(&sandboxpb.SnapshotPart{Memory: part}); err != nil {
			return err
		}
	}
	return nil
}
