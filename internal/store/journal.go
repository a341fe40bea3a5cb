package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// journalName is the file of the journal, beside the buckets.
const journalName = "journal"

// journal is a second copy of the records, in a plain file. JetStream cuts a
// damaged file off where the damage begins when it has lost its index, and says
// nothing of what stood behind: with the journal, that is noticed and put back.
//
// Every line is one acknowledged write, with a checksum. The first line says up
// to which revision all of them had been reconciled with the bucket.
type journal struct {
	path string

	mu   sync.Mutex
	file *os.File
	base uint64
	last map[string]journalEntry // the newest of each key
	size int64                   // of what is sound in the file
	live int64                   // of the file that last alone would make
	torn bool                    // what follows size could not be removed
}

// journalEntry is a line. Without a key it is the first one.
type journalEntry struct {
	Key      string          `json:"key,omitempty"`
	Revision uint64          `json:"revision"`
	Gone     bool            `json:"gone,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
}

// minRewrite is the size from which a journal of mostly old lines is rewritten.
const minRewrite = 256 << 10

var journalSums = crc32.MakeTable(crc32.Castagnoli)

// line is eight hexadecimal digits of checksum, a space, JSON and a newline.
func (e journalEntry) line() ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, journalSums), text), nil
}

func parseJournalLine(line []byte) (e journalEntry, err error) {
	sum, text, found := bytes.Cut(line, []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	switch {
	case !found || err != nil || len(sum) != 8:
		return e, errors.New("it is no entry")
	case uint32(want) != crc32.Checksum(text, journalSums):
		return e, errors.New("its checksum is wrong")
	}
	err = json.Unmarshal(text, &e)
	return e, err
}

// parseJournal returns the entries and how many bytes of data they are. What
// follows the last newline, and a last line that is wrong, is what a crash
// leaves of a write that nobody was told of.
func parseJournal(data []byte) (entries []journalEntry, sound int, err error) {
	for n := 1; sound < len(data); n++ {
		end := bytes.IndexByte(data[sound:], '\n')
		if end < 0 {
			break
		}
		e, err := parseJournalLine(data[sound : sound+end])
		switch {
		case err != nil && n > 1 && sound+end+1 == len(data):
			return entries, sound, nil
		case err != nil:
			return nil, 0, fmt.Errorf("line %d: %w", n, err)
		case (n == 1) != (e.Key == ""):
			return nil, 0, fmt.Errorf("line %d: it has no place there", n)
		}
		entries = append(entries, e)
		sound += end + 1
	}
	if len(entries) == 0 {
		return nil, 0, errors.New("its first line is missing")
	}
	return entries, sound, nil
}

// readJournal reads the file in dir. The error is ErrCorrupt, with what to do
// about it, when there is none or one that cannot be trusted.
func readJournal(dir string) (*journal, error) {
	j := &journal{path: filepath.Join(dir, journalName), last: map[string]journalEntry{}}
	data, err := os.ReadFile(j.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, j.corrupt(errors.New("it is missing"))
	case err != nil:
		return nil, dirError(j.path, err)
	}
	entries, _, err := parseJournal(data)
	if err != nil {
		return nil, j.corrupt(err)
	}
	j.base = entries[0].Revision
	for _, e := range entries[1:] {
		j.last[e.Key] = e
	}
	return j, nil
}

func (j *journal) corrupt(err error) error {
	return fmt.Errorf("the registry's journal %s: %w: %w; without it nobody knows whether records are missing "+
		"(restore the data directory from a backup with `supervisor restore`, or accept what the registry has with `supervisor check --repair`)",
		j.path, ErrCorrupt, err)
}

// add writes an entry and waits for the disk.
func (j *journal) add(e journalEntry) error {
	line, err := e.line()
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return ErrClosed
	}
	if old, known := j.last[e.Key]; known {
		j.live -= int64(len(old.Value))
	}
	j.last[e.Key] = e
	j.live += int64(len(e.Value))
	if j.torn || j.size > minRewrite && j.size > 8*j.live {
		return j.rewrite()
	}
	_, err = j.file.WriteAt(line, j.size)
	if err = errors.Join(err, j.file.Sync()); err != nil {
		// Half a line must not stand before the next one.
		j.torn = j.file.Truncate(j.size) != nil
		return dirError(j.path, err)
	}
	j.size += int64(len(line))
	return nil
}

// rewrite replaces the file by one that has the newest entries alone. The lock
// is held.
func (j *journal) rewrite() error {
	f, err := os.OpenFile(j.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return dirError(j.path, err)
	}
	entries := []journalEntry{{Revision: j.base}}
	for _, e := range j.last {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b journalEntry) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	var all bytes.Buffer
	for _, e := range entries {
		line, err := e.line()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		all.Write(line)
	}
	_, err = io.Copy(f, bytes.NewReader(all.Bytes()))
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), j.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return dirError(j.path, err)
	}
	if j.file != nil {
		_ = j.file.Close()
	}
	j.file, j.size, j.torn = f, int64(all.Len()), false
	j.live = 0
	for _, e := range j.last {
		j.live += int64(len(e.Value))
	}
	return syncDir(filepath.Dir(j.path))
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}
