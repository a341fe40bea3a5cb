package store

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// PutRaw writes any bytes as a record and waits until they have been read.
func (s *Store) PutRaw(ctx context.Context, key string, value []byte) error {
	revision, err := s.records.Put(ctx, key, value)
	if err != nil {
		return err
	}
	return s.cache.wait(ctx, func() bool { return s.cache.revision >= revision })
}

// PurgeRaw removes a record without a mark, as a damaged disk may.
func (s *Store) PurgeRaw(ctx context.Context, key string) error {
	return s.stream.Purge(ctx, jetstream.WithPurgeSubject(recordPrefix+key))
}

// RecordSubjects counts what the records' bucket holds, marks included.
func (s *Store) RecordSubjects(ctx context.Context) (int, error) {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	return int(info.State.NumSubjects), nil
}

// DeleteTenantRecord stops a tenant's deletion after its first step.
func (s *Store) DeleteTenantRecord(ctx context.Context, tenant string) error {
	return s.delete(ctx, recordKey{tenant: tenant})
}

// Encode returns the record of a version, and that of a function with it live.
func (s *Store) Encode(v Version, code []byte) (version, function []byte, err error) {
	v.Seal(Parts{Code: code})
	if version, err = encodeVersion(&v); err != nil {
		return nil, nil, err
	}
	function, err = encodeFunction(&Function{Tenant: v.Tenant, Function: v.Function, Aliases: map[string]string{Live: v.Version}})
	return version, function, err
}

// CodeSubjects returns the number of objects and of uploads that have chunks.
func (s *Store) CodeSubjects(ctx context.Context) (objects, uploads int, err error) {
	metas, err := s.code.subjects(ctx, metaPrefix)
	if err != nil {
		return 0, 0, err
	}
	chunks, err := s.code.subjects(ctx, chunkPrefix)
	return len(metas), len(chunks), err
}

// ReplaceCode puts other bytes under a digest's name.
func (s *Store) ReplaceCode(ctx context.Context, tenant, digest string, code []byte) error {
	return s.code.put(ctx, objectName(tenant, digest), code)
}

// LoseChunks removes an object's chunks but not its record.
func (s *Store) LoseChunks(ctx context.Context) error {
	return s.code.stream.Purge(ctx, jetstream.WithPurgeSubject(chunkPrefix+">"))
}

// StrayChunk leaves what an upload that was cut short leaves.
func (s *Store) StrayChunk(ctx context.Context) error {
	js, err := jetstream.New(s.node.conn)
	if err != nil {
		return err
	}
	_, err = js.Publish(ctx, chunkPrefix+strings.Repeat("x", 22), []byte("half"))
	return err
}

// ParseJournal parses a journal and returns how many lines and bytes are sound.
func ParseJournal(data []byte) (lines, sound int, err error) {
	entries, sound, err := parseJournal(data)
	return len(entries), sound, err
}
