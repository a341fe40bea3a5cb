package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/nats-io/nats.go/jetstream"
)

// openJournal reads the journal of a directory that has one by its format, and
// begins one otherwise.
func (s *Store) openJournal(dir string, format int, repair bool) (err error) {
	s.journal, err = readJournal(dir)
	if err != nil && (format < journalFormat || repair) {
		s.journal, err = &journal{path: filepath.Join(dir, journalName), last: map[string]journalEntry{}}, nil
	}
	return err
}

// reconcile compares what the bucket has with what was acknowledged. What is
// missing, older or other than the journal's is written anew from the journal; a
// deletion that came undone is done again. It changes found accordingly and
// returns what it did, in sentences for the log.
func (s *Store) reconcile(ctx context.Context, found map[string]entry) (done []string, err error) {
	for key, want := range s.journal.last {
		e, there := found[key]
		unread := there && e.err != nil
		switch {
		case there && !unread && e.revision > want.Revision:
			continue // written, and never acknowledged
		case want.Gone && (!there || e.gone):
			continue
		case !want.Gone && there && !unread && !e.gone && e.revision == want.Revision && bytes.Equal(e.value, want.Value):
			continue
		}
		if want.Gone {
			if err := s.forget(ctx, key, found); err != nil {
				return done, err
			}
			done = append(done, cameBack(key)...)
			continue
		}
		if unread {
			// JetStream neither gives it back nor lets it be replaced.
			found[key] = entry{key: key, revision: unknownRevision, value: want.Value}
			done = append(done, fmt.Sprintf("record %s cannot be read; it is taken from the journal, and cannot be changed until the data directory is restored from a backup", key))
			continue
		}
		revision, err := s.records.Put(ctx, key, want.Value)
		if err != nil {
			return done, fmt.Errorf("write record %s anew from the journal: %w", key, err)
		}
		found[key] = entry{key: key, revision: revision, value: want.Value}
		done = append(done, fmt.Sprintf("record %s was lost; it is written anew from the journal", key))
	}
	for key, e := range found {
		_, known := s.journal.last[key]
		if known || e.err != nil || e.gone || e.revision > s.journal.base || checkRecord(key, e.value) != nil {
			continue
		}
		if err := s.forget(ctx, key, found); err != nil {
			return done, err
		}
		done = append(done, cameBack(key)...)
	}
	return done, nil
}

// cameBack says that a deletion came undone. It says nothing of versions, which
// are deleted all the time: JetStream does this, when it is killed, to records
// whose mark of deletion was removed at an earlier start.
func cameBack(key string) []string {
	if k, ok := parseKey(key); ok && k.version != "" {
		return nil
	}
	return []string{fmt.Sprintf("record %s had come back after its deletion; it is deleted again", key)}
}

// forget removes a record that should not be there.
func (s *Store) forget(ctx context.Context, key string, found map[string]entry) error {
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(recordPrefix+key)); err != nil {
		return fmt.Errorf("delete record %s again: %w", key, err)
	}
	delete(found, key)
	return nil
}

// beginJournal makes the journal say what the bucket says, and writes it.
func (s *Store) beginJournal(ctx context.Context, found map[string]entry) error {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	old := j.last
	j.base, j.last = info.State.LastSeq, map[string]journalEntry{}
	for key, e := range found {
		switch {
		case e.revision == unknownRevision:
			if was, known := old[key]; known {
				j.last[key] = was
			}
		case !e.gone && checkRecord(key, e.value) == nil:
			j.last[key] = journalEntry{Key: key, Revision: e.revision, Value: e.value}
		}
	}
	return j.rewrite()
}

// remember adds a write to the journal. That it cannot is no reason to fail
// the write, which has taken effect: the next start adds it.
func (s *Store) remember(key string, revision uint64, value []byte) {
	err := s.journal.add(journalEntry{Key: key, Revision: revision, Gone: value == nil, Value: value})
	if err != nil {
		s.log.Warn("cannot write the registry's journal", "key", key, "error", err)
	}
}
