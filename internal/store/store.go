package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	recordBucket = "registry"
	recordPrefix = "$KV." + recordBucket + "."
	codeBucket   = "code"

	maxRecord = 64 << 10
	// writeTimeout bounds one write of a record, the flush to disk included.
	writeTimeout = 10 * time.Second
)

// Options say where a store is.
type Options struct {
	// Dir is the data directory. It is created, for this user alone, when
	// missing.
	Dir string
	// Logger may be nil.
	Logger *slog.Logger
	// Repair begins the journal anew when it cannot be trusted, from what the
	// registry has: what it has lost stays lost.
	Repair bool
}

// Store is an open registry. Its methods may be called from many goroutines.
type Store struct {
	log     *slog.Logger
	lock    *os.File
	node    *node
	records jetstream.KeyValue
	stream  jetstream.Stream // the one below records
	code    *codeStore
	cache   *cache
	journal *journal
	unwatch func()
	// restored says what was found wrong at Open and put right.
	restored []string
	lostCode []*RecordError

	// tenants serialises the writes of each tenant.
	tenants stripes
	// unsure is set once a write was left unconfirmed: from then on nothing
	// is known to be without references.
	unsure atomic.Bool

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

// Open opens the registry in a directory, for this process alone. The errors
// are ErrInUse, ErrNewerFormat, ErrCorrupt, fs.ErrPermission, or the system's
// own. The caller closes the store.
//
// Records that JetStream has lost are written anew from the journal. A deletion
// that a crash cut short is finished, and code that no version uses is removed,
// unless anything was found wrong: nothing is removed then. Damaged records are
// logged and listed by Damaged. A directory of an older format is brought up to
// date.
func Open(ctx context.Context, o Options) (_ *Store, err error) {
	s := &Store{log: o.Logger, cache: newCache(), tenants: newStripes()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", o.Dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, dirError(dir, err)
	}
	if s.lock, err = lockDir(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	format, err := readFormat(dir, registryFormat)
	if err != nil {
		return nil, err
	}
	if err := s.openJournal(dir, format, o.Repair); err != nil {
		return nil, err
	}
	if s.node, err = startNode("registry", dir, s.log); err != nil {
		return nil, err
	}
	if err := s.openBuckets(ctx, format == 0); err != nil {
		return nil, fmt.Errorf("open registry in %s: %w", dir, err)
	}
	found, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read registry in %s: %w", dir, err)
	}
	if s.restored, err = s.reconcile(ctx, found); err != nil {
		return nil, fmt.Errorf("compare registry in %s with its journal: %w", dir, err)
	}
	if format < versionsFormat {
		if err := s.migrate(ctx, found); err != nil {
			return nil, fmt.Errorf("bring registry in %s up to date: %w", dir, err)
		}
	}
	if err := s.beginJournal(ctx, found); err != nil {
		return nil, fmt.Errorf("compare registry in %s with its journal: %w", dir, err)
	}
	if format != registryFormat {
		if err := writeFormat(dir, registryFormat); err != nil {
			return nil, err
		}
	}
	for _, what := range s.restored {
		s.log.Warn("the registry was damaged: " + what)
	}
	var marks []string // the keys marked as deleted
	for key, e := range found {
		if e.gone {
			marks = append(marks, key)
		}
		s.apply(e)
	}
	if err := s.watch(ctx); err != nil {
		return nil, fmt.Errorf("watch registry in %s: %w", dir, err)
	}
	s.tidy(ctx, marks)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// openBuckets never makes anew what the format file says was there: an empty
// bucket in place of an unreadable one would hide the loss.
func (s *Store) openBuckets(ctx context.Context, create bool) error {
	js, err := jetstream.New(s.node.conn, jetstream.WithDefaultTimeout(writeTimeout))
	if err != nil {
		return err
	}
	var objects jetstream.ObjectStore
	if create {
		s.records, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: recordBucket, MaxValueSize: maxRecord})
		if err == nil {
			objects, err = js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: codeBucket})
		}
	} else {
		s.records, err = js.KeyValue(ctx, recordBucket)
		if err == nil {
			objects, err = js.ObjectStore(ctx, codeBucket)
		}
	}
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return fmt.Errorf("%w: its files cannot be read (the log says more; restore the directory from a backup): %w", ErrCorrupt, err)
	}
	if err != nil {
		return err
	}
	if s.stream, err = js.Stream(ctx, "KV_"+recordBucket); err != nil {
		return err
	}
	codeStream, err := js.Stream(ctx, "OBJ_"+codeBucket)
	if err != nil {
		return err
	}
	s.code = &codeStore{js: js, objects: objects, stream: codeStream, dir: s.node.dir, uses: map[string]int{}}
	return nil
}

// load reads the newest entry of every key. It reads record by record, since a
// watch would stop at one that the disk has damaged.
func (s *Store) load(ctx context.Context) (map[string]entry, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(recordPrefix+">"))
	if err != nil {
		return nil, err
	}
	found := make(map[string]entry, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		e := entry{key: strings.TrimPrefix(subject, recordPrefix)}
		m, err := s.stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			e.revision, e.err = unknownRevision, errUnreadable
		default:
			e.revision, e.value, e.gone = m.Sequence, m.Data, m.Header.Get("KV-Operation") != ""
		}
		found[e.key] = e
	}
	return found, nil
}

// watch keeps the cache up to date from now on.
func (s *Store) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watcher, err := s.records.WatchAll(ctx, jetstream.UpdatesOnly())
	if err != nil {
		cancel()
		return err
	}
	go func() {
		defer close(s.cache.ended)
		for e := range watcher.Updates() {
			s.apply(entry{e.Key(), e.Revision(), e.Value(), e.Operation() != jetstream.KeyValuePut, nil})
		}
	}()
	s.unwatch = func() {
		_ = watcher.Stop()
		cancel()
		<-s.cache.ended
	}
	return nil
}

func (s *Store) apply(e entry) {
	if err := s.cache.apply(e); err != nil {
		s.log.Warn("damaged registry record", "key", e.key, "error", err)
	}
}

// tidy removes what earlier processes left behind. Nothing depends on it, so
// it cannot fail the start.
func (s *Store) tidy(ctx context.Context, marks []string) {
	damaged := len(s.restored) > 0 || len(s.cache.damaged()) > 0
	for _, k := range s.cache.unfinished() {
		if damaged && !s.cache.isDeleted(k.tenant) {
			continue // its record may be what is lost
		}
		if err := s.deleteFunction(ctx, k.tenant, k.function); err != nil {
			s.log.Warn("cannot remove what is left of a function", "tenant", k.tenant, "function", k.function, "error", err)
			marks = slices.DeleteFunc(marks, func(key string) bool { return key == recordKey{tenant: k.tenant}.String() })
		}
	}
	for _, key := range marks {
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(recordPrefix+key)); err != nil {
			s.log.Warn("cannot remove the mark of a deletion", "key", key, "error", err)
		}
	}
	s.tidyCode(ctx)
}

// tidyCode looks whether the code of every version is there, and removes what
// none uses if so.
func (s *Store) tidyCode(ctx context.Context) {
	held, err := s.code.inventory(ctx)
	if err != nil {
		s.log.Warn("cannot look through the code", "error", err)
		return
	}
	for _, v := range s.cache.everyVersion() {
		for _, digest := range v.digests() {
			if digest == "" || held.whole[objectName(v.Tenant, digest)] {
				continue
			}
			s.lostCode = append(s.lostCode, &RecordError{v.key().String(), fmt.Errorf("%w: code %s is missing (deploy the function again, or restore the data directory from a backup)", ErrCorrupt, digest)})
			s.log.Error("a function's code is lost; deploy it again, or restore a backup", "tenant", v.Tenant, "function", v.Function, "version", v.Version, "digest", digest)
		}
	}
	if held.unread > 0 || len(s.restored) > 0 || len(s.lostCode) > 0 || len(s.cache.damaged()) > 0 {
		s.log.Warn("no unused code is removed at this start, since something was damaged")
		return
	}
	if err := s.code.sweep(ctx, held, s.cache.references); err != nil {
		s.log.Warn("cannot remove unused code", "error", err)
	}
}

// Restored says, a sentence each, what Open found damaged and put right.
func (s *Store) Restored() []string { return s.restored }

// LostCode lists versions whose code was not there when the store was opened.
func (s *Store) LostCode() []*RecordError { return s.lostCode }

// Lost tells whether a version's code was not there when the store was opened.
func (s *Store) Lost(v *Version) bool {
	for _, lost := range s.lostCode {
		if lost.Key == v.key().String() {
			return true
		}
	}
	return false
}

// Close waits for the calls in progress, stops the server and frees the
// directory. Records can still be read from memory afterwards; everything
// else fails with ErrClosed. Further calls do nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	return s.release()
}

func (s *Store) release() error {
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.node != nil {
		s.node.stop()
	}
	if s.journal != nil {
		s.journal.close()
	}
	return s.lock.Close()
}

// enter lets a call begin that Close is to wait for; the caller calls
// s.calls.Done at its end.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// begin is enter for a write: it waits for its turn among the tenant's.
func (s *Store) begin(ctx context.Context, tenant string) (end func(), err error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	turn, err := s.tenants.take(ctx, tenant)
	if err != nil {
		s.calls.Done()
		return nil, err
	}
	return func() { turn(); s.calls.Done() }, nil
}

// stripes is a fixed number of locks shared by any number of names.
type stripes struct {
	seed  maphash.Seed
	locks [64]chan struct{}
}

func newStripes() stripes {
	s := stripes{seed: maphash.MakeSeed()}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	return s
}

func (s *stripes) take(ctx context.Context, name string) (release func(), err error) {
	lock := s.locks[maphash.String(s.seed, name)%uint64(len(s.locks))]
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
