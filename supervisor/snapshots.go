package supervisor

import (
	"context"
	"errors"
	"io"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/snapshots"
	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/ipc/sandboxpb"
)

// key names the snapshot of a version in this process. There is none when the
// process has no fingerprint.
func (r *resident) key(f settings) (k snapshots.Key, ok bool) {
	return snapshots.Key{Tenant: r.tenant, Function: f.Function, Image: imageOf(f.digest, f.Memory), Fingerprint: r.fingerprint},
		r.s.shelf.store != nil && r.fingerprint != ""
}

// export takes the snapshot of a version that r has loaded. It returns nil when
// there is none to be had, whose fault that ever is.
func (r *resident) export(f settings, v *loadedVersion) *snapshots.Draft {
	k, ok := r.key(f)
	if !ok {
		return nil
	}
	draft, err := r.s.shelf.store.Draft(k)
	if err == nil {
		if err = r.receive(f, v, draft); err == nil {
			return draft
		}
		draft.Discard()
	}
	var violation *ipc.Violation
	switch {
	case errors.As(err, &violation):
		r.s.violation(r.process, nil, violation)
		r.s.shelf.giveUp(k)
	case errors.Is(err, snapshots.ErrTooLarge), errors.Is(err, errLost):
		r.s.shelf.giveUp(k)
	default:
		r.s.shelf.fail(err)
	}
	return nil
}

func (r *resident) receive(f settings, v *loadedVersion, draft *snapshots.Draft) error {
	ctx, cancel := context.WithTimeout(r.s.life, r.s.o.StartTimeout)
	defer cancel()
	stream, err := r.client.Export(ctx, &sandboxpb.ExportRequest{Version: v.key})
	if err != nil {
		return errLost
	}
	var description []byte
	check := ipc.SnapshotCheck{Room: f.Memory}
	for {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			if err := check.End(); err != nil {
				return err
			}
			return draft.Finish(description)
		case err != nil:
			if status.Code(err) == codes.DeadlineExceeded {
				<-ctx.Done() // the process's clock may be a little ahead of ours
			}
			if ctx.Err() != nil {
				r.kill(causeStuck, nil)
			}
			return errLost
		}
		if err := check.Part(part); err != nil {
			return err
		}
		if part.GetSnapshot() != nil {
			description = part.GetSnapshot()
			continue
		}
		if _, err := draft.Write(part.GetMemory()); err != nil {
			return err
		}
	}
}

// errRefused means that a snapshot is of no use to a process: the source has to
// be loaded.
var errRefused = errors.New("the snapshot was refused")

// loadSnapshot has the process load a version from its snapshot on disk.
func (r *resident) loadSnapshot(f settings, key string) (sandboxpb.Shape, error) {
	k, ok := r.key(f)
	if !ok {
		return 0, errRefused
	}
	snapshot := r.s.shelf.open(k)
	if snapshot == nil {
		return 0, errRefused
	}
	defer snapshot.File.Close()
	r.sending.Lock() // until it has been taken
	defer r.sending.Unlock()
	if err := r.files.Send(key, snapshot.File); errors.Is(err, os.ErrDeadlineExceeded) {
		r.kill(causeStuck, nil)
		r.awaitEnd(nil)
		return 0, errLost
	} else if err != nil {
		return 0, errRefused // no descriptors left, or the process is ending
	}
	response, err := r.callLoad(f, &sandboxpb.LoadRequest{Version: key, Snapshot: snapshot.Description})
	if err != nil {
		if why, _ := r.why(); why.fault() || why == causeDeadline {
			r.s.shelf.refused(k, "the process ended over it")
		}
		return 0, err
	}
	if reason, refused := ipc.CheckRefusal(response); refused {
		r.s.shelf.refused(k, reason)
		return 0, errRefused
	}
	o, err := ipc.CheckLoad(response)
	if err == nil && o != outcome.OK {
		err = &ipc.Violation{Frame: "LoadResponse", Reason: "a snapshot was found fault with"}
	}
	if err != nil {
		r.s.shelf.refused(k, err.Error())
		r.s.violation(r.process, nil, err)
		return 0, errLost
	}
	return response.GetShape(), nil
}
