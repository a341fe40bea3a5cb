package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxCode is the longest code that the registry takes, in bytes.
const MaxCode = 16 << 20

// codeTimeout bounds the reading or writing of one object.
const codeTimeout = 10 * time.Second

// codeStore keeps code as objects named TENANT/DIGEST, so that tenants with
// the same code share nothing.
type codeStore struct {
	js      jetstream.JetStream
	objects jetstream.ObjectStore
	stream  jetstream.Stream // the one below objects
	dir     string

	mu sync.Mutex
	// uses counts the readers of each object; removing marks one that goes.
	uses map[string]int
}

const removing = -1

func digestOf(code []byte) string {
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:])
}

func objectName(tenant, digest string) string { return tenant + "/" + digest }

// read returns an object after checking it against its name. The error is
// ErrNotFound when there is none, ErrCorrupt when it is not what was written.
func (c *codeStore) read(ctx context.Context, tenant, digest string) ([]byte, error) {
	name := objectName(tenant, digest)
	if !c.enter(name) {
		return nil, ErrNotFound
	}
	defer c.leave(name)
	limited, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	info, err := c.objects.GetInfo(limited, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	// ObjectStore.Get would wait for a chunk that is lost or damaged.
	var code []byte
	var last uint64
	for range info.Chunks {
		m, err := c.stream.GetMsg(limited, last+1, jetstream.WithGetMsgSubject(chunkPrefix+info.NUID))
		switch {
		case limited.Err() != nil:
			return nil, limited.Err()
		case err != nil:
			return nil, fmt.Errorf("%w: a part cannot be read: %w", ErrCorrupt, err)
		}
		last = m.Sequence
		if code = append(code, m.Data...); len(code) > MaxCode {
			return nil, fmt.Errorf("%w: it is too long", ErrCorrupt)
		}
	}
	if got := digestOf(code); got != digest {
		return nil, fmt.Errorf("%w: its digest is %s", ErrCorrupt, got)
	}
	return code, nil
}

// write makes sure that the object is there, whole, readable and on disk.
func (c *codeStore) write(ctx context.Context, tenant, digest string, code []byte) error {
	_, err := c.read(ctx, tenant, digest)
	if err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, codeTimeout)
	defer cancel()
	name := objectName(tenant, digest)
	if !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCorrupt) {
		return err
	}
	if err := room(c.dir, len(code)); err != nil {
		return err
	}
	if err := c.put(ctx, name, code); err != nil {
		return err
	}
	// An earlier object that the disk has damaged may hide the new one.
	if _, err := c.read(ctx, tenant, digest); err != nil {
		return fmt.Errorf("%w: it cannot be read back (restore the data directory from a backup): %v", ErrCorrupt, err)
	}
	return nil
}

// chunkSize is how much of an object one message holds, in bytes.
const chunkSize = 128 << 10

// put writes an object as ObjectStore.Put does: that one publishes under a
// connection status listener of its own, whose goroutine now and then stays for
// ever (nats.go v1.55.0). The record comes last, so an object is there whole or
// not at all; what an error leaves of its chunks goes with the next start.
func (c *codeStore) put(ctx context.Context, name string, code []byte) error {
	old, err := c.objects.GetInfo(ctx, name)
	if err != nil && ctx.Err() != nil {
		return err
	}
	sum := sha256.New()
	sum.Write(code)
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkSize}},
		Bucket:     codeBucket, NUID: rand.Text(), Size: uint64(len(code)), Digest: jetstream.GetObjectDigestValue(sum),
	}
	for chunk := range slices.Chunk(code, chunkSize) {
		if _, err := c.js.Publish(ctx, chunkPrefix+info.NUID, chunk); err != nil {
			return err
		}
		info.Chunks++
	}
	record := nats.NewMsg(metaSubject(name))
	record.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if record.Data, err = json.Marshal(info); err != nil {
		return err
	}
	if _, err := c.js.PublishMsg(ctx, record); err != nil {
		return err
	}
	if old != nil {
		_ = c.stream.Purge(ctx, jetstream.WithPurgeSubject(chunkPrefix+old.NUID)) // or it goes with the next start
	}
	return nil
}

// remove deletes an object unless someone is reading it: the sweep of the next
// start finds it then. The caller keeps others from writing it meanwhile.
func (c *codeStore) remove(ctx context.Context, name string) error {
	c.mu.Lock()
	if c.uses[name] != 0 {
		c.mu.Unlock()
		return nil
	}
	c.uses[name] = removing
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.uses, name)
		c.mu.Unlock()
	}()
	info, err := c.objects.GetInfo(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	// ObjectStore.Delete would leave a mark for ever. The record goes first:
	// one without its chunks would count as damaged.
	for _, subject := range []string{metaSubject(name), chunkPrefix + info.NUID} {
		if err := c.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}

func (c *codeStore) enter(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses[name] == removing {
		return false
	}
	c.uses[name]++
	return true
}

func (c *codeStore) leave(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uses[name]--; c.uses[name] == 0 {
		delete(c.uses, name)
	}
}

// The subjects of an object store's bucket: each object has a record, under
// its name in base64, and chunks, under the id of its upload.
const (
	metaPrefix  = "$O." + codeBucket + ".M."
	chunkPrefix = "$O." + codeBucket + ".C."
)

func metaSubject(object string) string {
	return metaPrefix + base64.URLEncoding.EncodeToString([]byte(object))
}

// inventory is what an object store holds.
type inventory struct {
	metas, chunks map[string]uint64 // subjects, with how many messages
	names         map[string]string // of the objects, by the subject of their record
	uploads       map[string]string // the subjects of their chunks, by the same
	whole         map[string]bool   // the names of objects that have all their chunks
	unread        int               // records of objects that the disk does not give back
}

// inventory lists the objects. Nothing else may use the store meanwhile.
func (c *codeStore) inventory(ctx context.Context) (*inventory, error) {
	i := &inventory{names: map[string]string{}, uploads: map[string]string{}, whole: map[string]bool{}}
	var err error
	if i.metas, err = c.subjects(ctx, metaPrefix); err != nil {
		return nil, err
	}
	if i.chunks, err = c.subjects(ctx, chunkPrefix); err != nil {
		return nil, err
	}
	for subject := range i.metas {
		name, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(subject, metaPrefix))
		if err != nil {
			return nil, fmt.Errorf("%w: object %s", ErrCorrupt, subject)
		}
		i.names[subject] = string(name)
		info, err := c.objects.GetInfo(ctx, string(name))
		if errors.Is(err, jetstream.ErrObjectNotFound) {
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			// Without it nobody knows which chunks are its own.
			i.unread++
			continue
		}
		i.uploads[subject] = chunkPrefix + info.NUID
		i.whole[string(name)] = i.chunks[chunkPrefix+info.NUID] >= uint64(info.Chunks)
	}
	return i, nil
}

// sweep removes objects that keep does not want, and the chunks that a crash
// left without an object.
func (c *codeStore) sweep(ctx context.Context, held *inventory, keep func(tenant, digest string) bool) error {
	wanted := map[string]bool{}
	for subject, name := range held.names {
		tenant, digest, _ := strings.Cut(name, "/")
		if upload, known := held.uploads[subject]; known && keep(tenant, digest) {
			wanted[subject], wanted[upload] = true, true
		}
	}
	for _, subject := range append(slices.Collect(maps.Keys(held.metas)), slices.Collect(maps.Keys(held.chunks))...) {
		if wanted[subject] {
			continue
		}
		if err := c.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return err
		}
	}
	return nil
}

// subjects returns the subjects with the prefix and the messages in each.
func (c *codeStore) subjects(ctx context.Context, prefix string) (map[string]uint64, error) {
	info, err := c.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return nil, err
	}
	return info.State.Subjects, nil
}
