package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/confine"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// The fake sandbox is the test binary run again: a compromised process that
// speaks the real protocol, as badly as it is told to. What a function does is
// said by its source, one command a line.

const fakeKey = "BULKHEAD_FAKE_SANDBOX"

// fakeBinary writes a program that runs the test binary as a fake sandbox.
func fakeBinary(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return script(t, fmt.Sprintf("%s=1 exec '%s'", fakeKey, self))
}

func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sandbox")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func runFake() {
	if err := ipc.Check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	lockdown, err := confine.ParseConfig(os.Getenv(ipc.LockdownKey))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	ipc.Serve(&fakeSandbox{versions: make(map[string]*fakeVersion)}, func() { reportFake(lockdown.Modes) })
}

// fakeLayers lets a fake sandbox serve: it is not locked down at all.
var fakeLayers = func() supervisor.LayerModes {
	modes := make(supervisor.LayerModes)
	for _, name := range confine.Reported {
		modes[name] = confine.Off
	}
	return modes
}()

// A fake from which one of these layers is asked for misreports.
const (
	liarsLayer  = "seccomp"
	brokenLayer = "rlimits"
)

// reportFake says that no layer is active.
func reportFake(modes confine.Modes) {
	var layers []confine.Layer
	for _, name := range confine.Reported {
		mode := modes.For(name)
		layers = append(layers, confine.Layer{Name: name, Mode: mode, Detail: "fake", Active: name == liarsLayer && mode == confine.Preferred})
	}
	if modes.For(brokenLayer) == confine.Preferred {
		layers = layers[:1]
	}
	if err := ipc.SendReport(confine.Report(layers)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
}

type fakeSandbox struct {
	sandboxpb.UnimplementedSandboxServer
	mu       sync.Mutex
	tenant   string
	versions map[string]*fakeVersion
}

type fakeVersion struct {
	source string
	runs   int
}

func (f *fakeSandbox) Assign(_ context.Context, r *sandboxpb.AssignRequest) (*sandboxpb.AssignResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tenant != "" {
		return nil, errors.New("assigned twice")
	}
	f.tenant = r.GetTenant()
	response := &sandboxpb.AssignResponse{}
	switch kind, _, _ := strings.Cut(f.tenant, "-"); kind {
	case "snapshots": // it offers them
		response.Fingerprint = strings.Repeat("0f", 16)
	case "forger":
		response.Fingerprint = "../../../../../../tmp/outside-01"
	}
	return response, nil
}

// Export sends what the rest of the line says that begins with "export".
func (f *fakeSandbox) Export(r *sandboxpb.ExportRequest, stream sandboxpb.Sandbox_ExportServer) error {
	f.mu.Lock()
	v := f.versions[r.GetVersion()]
	f.mu.Unlock()
	_, rest, _ := strings.Cut(v.source, "export ")
	kind, _, _ := strings.Cut(rest, "\n")
	description := &sandboxpb.SnapshotPart{Snapshot: []byte(v.source)}
	memory := &sandboxpb.SnapshotPart{Memory: make([]byte, ipc.MaxSnapshotPart)}
	end := &sandboxpb.SnapshotPart{Memory: make([]byte, 4096)}
	var parts []*sandboxpb.SnapshotPart
	switch kind {
	case "well":
		parts = []*sandboxpb.SnapshotPart{description, memory, end}
	case "nothing":
	case "no-memory":
		parts = []*sandboxpb.SnapshotPart{description}
	case "no-description":
		parts = []*sandboxpb.SnapshotPart{memory}
	case "two-descriptions":
		parts = []*sandboxpb.SnapshotPart{description, description}
	case "both-at-once":
		parts = []*sandboxpb.SnapshotPart{{Snapshot: []byte("d"), Memory: []byte("m")}}
	case "long-description":
		parts = []*sandboxpb.SnapshotPart{{Snapshot: make([]byte, ipc.MaxSnapshot+1)}}
	case "large-part":
		parts = []*sandboxpb.SnapshotPart{description, {Memory: make([]byte, ipc.MaxSnapshotPart+1)}}
	case "empty-part":
		parts = []*sandboxpb.SnapshotPart{description, {}}
	case "small-parts":
		parts = []*sandboxpb.SnapshotPart{description, end, end}
	case "endless":
		if err := stream.Send(description); err != nil {
			return err
		}
		for {
			if err := stream.Send(memory); err != nil {
				return err
			}
		}
	case "hang":
		if err := stream.Send(description); err != nil {
			return err
		}
		select {}
	case "exit":
		os.Exit(9)
	case "fail":
		return errors.New("no")
	}
	for _, p := range parts {
		if err := stream.Send(p); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeSandbox) Load(_ context.Context, r *sandboxpb.LoadRequest) (*sandboxpb.LoadResponse, error) {
	source := r.GetSource()
	if len(r.GetSnapshot()) > 0 { // its export described it by its source
		source = string(r.GetSnapshot())
		_, rest, _ := strings.Cut(source, "snapshot ")
		switch kind, _, _ := strings.Cut(rest, "\n"); kind {
		case "refuse":
			return &sandboxpb.LoadResponse{Refusal: strings.Repeat("no\n ", 1000)}, nil
		case "problem":
			return &sandboxpb.LoadResponse{Outcome: uint32(outcome.Invalid), Problems: []*sandboxpb.Problem{{Field: "code"}}}, nil
		case "hang":
			select {}
		}
	}
	switch command, rest, _ := strings.Cut(strings.TrimSpace(source), " "); command {
	case "load-problem":
		return &sandboxpb.LoadResponse{Outcome: uint32(outcome.Invalid), Problems: []*sandboxpb.Problem{{Field: "code", Reason: rest, Line: 3, Column: 7}}}, nil
	case "load-hang":
		select {}
	case "load-freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // the signal may come a little later
	case "load-exit":
		fmt.Fprintln(os.Stderr, "fatal error: the fake ends")
		os.Exit(9)
	case "load-error":
		return nil, errors.New("no")
	case "load-outcome":
		var n uint32
		_, _ = fmt.Sscan(rest, &n)
		return &sandboxpb.LoadResponse{Outcome: n}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.versions[r.GetVersion()] = &fakeVersion{source: source}
	return &sandboxpb.LoadResponse{Outcome: uint32(outcome.OK), Shape: sandboxpb.Shape_SHAPE_EXPRESSION}, nil
}

func (f *fakeSandbox) Unload(_ context.Context, r *sandboxpb.UnloadRequest) (*sandboxpb.UnloadResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.versions, r.GetVersion())
	return &sandboxpb.UnloadResponse{}, nil
}

func (f *fakeSandbox) OpenSlot(_ context.Context, r *sandboxpb.OpenSlotRequest) (*sandboxpb.OpenSlotResponse, error) {
	fd, err := ipc.InheritedFiles().Take(r.GetName())
	if err != nil {
		return nil, err
	}
	go func() {
		slot := ipc.OpenSlot(fd)
		defer slot.Close()
		_ = f.slot(slot)
	}()
	return &sandboxpb.OpenSlotResponse{}, nil
}

func (f *fakeSandbox) slot(stream *ipc.SandboxSlot) error {
	frames, ended := make(chan *sandboxpb.ToSandbox, 1024), make(chan struct{})
	go func() {
		defer close(frames)
		defer close(ended)
		for {
			frame, err := stream.Recv()
			if err != nil {
				return
			}
			frames <- frame
		}
	}()
	for frame := range frames {
		invoke := frame.GetInvoke()
		if invoke == nil {
			continue
		}
		f.mu.Lock()
		v := f.versions[invoke.GetVersion()]
		v.runs++
		f.mu.Unlock()
		run := &fakeRun{f: f, v: v, stream: stream, frames: frames, ended: ended, invoke: invoke, number: invoke.GetInvocation()}
		for line := range strings.Lines(v.source) {
			command, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if err := run.command(command, rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// fakeRun is one invocation in the fake.
type fakeRun struct {
	f      *fakeSandbox
	v      *fakeVersion
	stream *ipc.SandboxSlot
	frames chan *sandboxpb.ToSandbox
	ended  chan struct{}
	invoke *sandboxpb.Invoke
	number uint64
	call   uint32
	last   string // what the last host call was answered with
	kept   []string
}

func (r *fakeRun) command(command, rest string) error {
	switch command {
	case "return": // the given JSON
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte(rest)})
	case "event": // returned
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: r.invoke.GetEvent()})
	case "pid":
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Append(nil, os.Getpid())})
	case "runs":
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Append(nil, r.v.runs)})
	case "answer": // what the last host call was answered with, as a string
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Appendf(nil, "%q", r.last)})
	case "keep": // the last answer, or the name of its exception
		name, _, _ := strings.Cut(r.last, ":")
		r.kept = append(r.kept, strings.Trim(name, `"`))
	case "kept": // return all that was kept
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Appendf(nil, "%q", strings.Join(r.kept, " "))})
	case "environment":
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Appendf(nil, "%q", strings.Join(os.Environ(), " "))})
	case "descriptors":
		entries, _ := os.ReadDir("/proc/self/fd")
		var targets []string
		for _, e := range entries {
			target, err := os.Readlink("/proc/self/fd/" + e.Name())
			if err == nil {
				targets = append(targets, target)
			}
		}
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: fmt.Appendf(nil, "%q", strings.Join(targets, " "))})
	case "throw":
		name, message, _ := strings.Cut(rest, " ")
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.Exception), Exception: &sandboxpb.Exception{Name: name, Message: message}})
	case "outcome":
		var n uint32
		_, _ = fmt.Sscan(rest, &n)
		return r.result(&sandboxpb.Result{Outcome: n})
	case "large": // a result of so many bytes
		var n int
		_, _ = fmt.Sscan(rest, &n)
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte(`"` + strings.Repeat("a", n) + `"`)})
	case "spin": // compute without end
		for n := 0; n >= 0; n++ { // as good as without end
		}
	case "cpu": // a result that claims so many nanoseconds
		var n uint64
		_, _ = fmt.Sscan(rest, &n)
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte("1"), CpuNs: n})
	case "boast": // of having used what nobody can have
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte("1"), CpuNs: math.MaxUint64, PeakMemory: math.MaxUint64})
	case "dropped": // a result after so many lines of log for which there was no room
		var n uint32
		_, _ = fmt.Sscan(rest, &n)
		return r.result(&sandboxpb.Result{Outcome: uint32(outcome.OK), Value: []byte("1"), Dropped: n})
	case "log":
		level, message, _ := strings.Cut(rest, " ")
		return r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Log{Log: &sandboxpb.Log{Invocation: r.number, Level: level, Message: message}}})
	case "flood": // so many lines of log
		var n int
		_, _ = fmt.Sscan(rest, &n)
		for i := range n {
			if err := r.command("log", fmt.Sprintf("info line %d", i)); err != nil {
				return err
			}
		}
	case "idle": // for so long, it says
		wait, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		return r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Idle{Idle: &sandboxpb.Idle{Invocation: r.number, WaitNs: int64(wait)}}})
	case "call": // and wait for the answer
		if err := r.hostCall(rest); err != nil {
			return err
		}
		r.await()
	case "calls": // so many at once
		n, rest, _ := strings.Cut(rest, " ")
		var count int
		_, _ = fmt.Sscan(n, &count)
		for range count {
			if err := r.hostCall(rest); err != nil {
				return err
			}
		}
		for range count {
			r.await()
		}
	case "write": // so many bytes to a stream, and wait for the answer
		var id uint32
		var n int
		_, _ = fmt.Sscan(rest, &id, &n)
		r.call++
		call := ipc.NewControl(r.number, r.call, ipc.StreamWrite, id, make([]byte, n))
		if err := r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}}); err != nil {
			return err
		}
		r.await()
	case "drain": // read a stream to its end or failure, and remember how much
		total := 0
		for {
			if err := r.hostCall("stream:read [" + rest + "]"); err != nil {
				return err
			}
			r.await()
			var n int
			if _, err := fmt.Sscanf(r.last, "data %d", &n); err != nil {
				r.last = fmt.Sprint(total, " ", r.last)
				return nil
			}
			total += n
		}
	case "await": // the answer to a call-only
		r.await()
	case "call-only":
		return r.hostCall(rest)
	case "refused": // so many calls that it says it has refused itself
		n, rest, _ := strings.Cut(rest, " ")
		var count int
		_, _ = fmt.Sscan(n, &count)
		api, args, _ := strings.Cut(rest, " ")
		for range count {
			r.call++
			call := &sandboxpb.HostCall{Invocation: r.number, Call: r.call, Api: api, Args: []byte(args), Refused: true}
			if err := r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: call}}); err != nil {
				return err
			}
		}
	case "calls-only": // so many, whose answers nobody reads
		n, rest, _ := strings.Cut(rest, " ")
		var count int
		_, _ = fmt.Sscan(n, &count)
		for range count {
			if err := r.hostCall(rest); err != nil {
				return err
			}
		}
	case "text": // a host call, or a line of log, with what no line of a test can hold
		kind, api, _ := strings.Cut(rest, " ")
		text := hostileText
		if kind == "log" {
			return r.command("log", "error "+text)
		}
		args, _ := json.Marshal([]string{strings.Repeat(text, 4000)})
		if err := r.hostCall(api + " " + string(args)); err != nil {
			return err
		}
		r.await()
	case "call-again": // with the last id
		r.call--
		return r.hostCall(rest)
	case "number": // pretend to be another invocation from now on
		var by int
		_, _ = fmt.Sscan(rest, &by)
		r.number += uint64(by)
	case "once": // the rest of the line, in the version's first run only
		r.f.mu.Lock()
		first := r.v.runs == 1
		r.f.mu.Unlock()
		if first {
			command, rest, _ := strings.Cut(rest, " ")
			return r.command(command, rest)
		}
	case "touch":
		_ = os.WriteFile(rest, nil, 0o600)
	case "await-file":
		for {
			if _, err := os.Stat(rest); err == nil {
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	case "hang":
		<-r.ended
	case "hang-first": // unless the file says that it has done so
		if _, err := os.Stat(rest); err != nil {
			_ = os.WriteFile(rest, nil, 0o600)
			<-r.ended
		}
	case "until-cancel":
		for frame := range r.frames {
			if frame.GetCancel() != nil {
				return r.result(&sandboxpb.Result{Outcome: uint32(outcome.Canceled)})
			}
		}
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		fmt.Fprintln(os.Stderr, rest)
		os.Exit(7)
	case "hang-up":
		return errors.New("the stream ends")
	case "empty":
		return r.send(&sandboxpb.FromSandbox{})
	case "bad-utf8":
		return r.command("log", "info \xff\xfe")
	case "stderr":
		fmt.Fprintln(os.NewFile(2, "stderr"), rest)
	case "stdout":
		f := os.NewFile(1, "stdout")
		_ = f.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		go func() {
			for {
				if _, err := f.WriteString(rest); err != nil {
					return
				}
			}
		}()
	case "grandchild": // holds stdout, stderr and, with luck, everything else
		p, err := os.StartProcess("/bin/sleep", []string{"sleep", "20"}, &os.ProcAttr{Files: []*os.File{nil, os.NewFile(1, "1"), os.NewFile(2, "2")}})
		if err == nil {
			_ = os.WriteFile(rest, fmt.Append(nil, p.Pid), 0o600)
		}
	}
	return nil
}

func (r *fakeRun) send(frame *sandboxpb.FromSandbox) error {
	return errors.Join(r.stream.Send(frame), r.stream.Flush())
}

func (r *fakeRun) result(result *sandboxpb.Result) error {
	result.Invocation = r.number
	return r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_Result{Result: result}})
}

func (r *fakeRun) hostCall(rest string) error {
	api, args, _ := strings.Cut(rest, " ")
	if n, ok := strings.CutPrefix(args, "bytes:"); ok {
		var size int
		_, _ = fmt.Sscan(n, &size)
		args = `["` + strings.Repeat("a", size) + `"]`
	}
	r.call++
	return r.send(&sandboxpb.FromSandbox{Frame: &sandboxpb.FromSandbox_HostCall{HostCall: &sandboxpb.HostCall{
		Invocation: r.number, Call: r.call, Api: api, Args: []byte(args),
	}}})
}

func (r *fakeRun) await() {
	for frame := range r.frames {
		if result := frame.GetHostResult(); result != nil {
			if e := result.GetException(); e != nil {
				r.last = e.GetName() + ": " + e.GetMessage() + " " + string(e.GetProperties())
			} else if n := len(result.GetData()); n > 0 {
				r.last = fmt.Sprint("data ", n)
			} else {
				r.last = string(result.GetValue())
			}
			return
		}
	}
}
