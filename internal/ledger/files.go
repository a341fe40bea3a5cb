package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// row is one function's part of a line.
type row struct {
	Tenant   string `json:"tenant"`
	Function string `json:"function"`
	Totals
}

// encode makes a line, with its newline. It begins with one, too: a line before
// it that was not written whole ends there.
func encode(part map[Key]*Totals) ([]byte, error) {
	rows := make([]row, 0, len(part))
	for key, t := range part {
		rows = append(rows, row{key.Tenant, key.Function, *t})
	}
	line := bytes.NewBufferString("\n")
	err := json.NewEncoder(line).Encode(rows)
	return line.Bytes(), err
}

// appendLine adds a line to a file, and makes it last. When that fails, nothing
// of it counts.
func appendLine(path string, part map[Key]*Totals) (err error) {
	line, err := encode(part)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := f.Write(line)
	if err != nil {
		if n >= len(line)-1 { // it can be read, so it counts
			return nil
		}
		return err
	}
	// Whether it is on the disk or not, it is in the file: writing it again
	// would count it twice.
	_ = f.Sync()
	return nil
}

// readFile calls each with every row of a file. A line that is damaged is left
// out.
func readFile(path string, each func(*row)) (damaged int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	defer f.Close()
	for in := bufio.NewReaderSize(f, 64<<10); ; {
		line, err := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var rows []row
			if json.Unmarshal(line, &rows) != nil {
				damaged++
			} else {
				for i := range rows {
					each(&rows[i])
				}
			}
		}
		if err == io.EOF {
			return damaged, nil
		} else if err != nil {
			return damaged, err
		}
	}
}

// hours lists the hours that there are files of, the oldest first.
func (l *Ledger) hours() ([]time.Time, error) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return nil, err
	}
	var hours []time.Time
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), suffix)
		if hour, err := time.Parse(hourLayout, name); is && err == nil {
			hours = append(hours, hour)
		}
	}
	slices.SortFunc(hours, time.Time.Compare)
	return hours, nil
}

// tidy removes the hours that are too old, and replaces those that are over by
// their sums.
func (l *Ledger) tidy(now time.Time) {
	l.files.Lock()
	defer l.files.Unlock()
	hours, err := l.hours()
	for _, hour := range hours {
		switch {
		case hour.Before(now.Add(-l.keep)):
			err = errors.Join(err, os.Remove(l.path(hour)))
		case hour.Add(time.Hour + time.Minute).Before(now):
			err = errors.Join(err, l.sum(hour))
		}
	}
	leftovers, _ := filepath.Glob(filepath.Join(l.dir, ".sum-*"))
	for _, name := range leftovers {
		_ = os.Remove(name)
	}
	if err != nil {
		l.log.Warn("the usage ledger cannot be tidied", slog.Any("error", err))
	}
}

// sum replaces the file of an hour by one with a single line.
func (l *Ledger) sum(hour time.Time) (err error) {
	sums, lines := make(map[Key]*Totals), 0
	damaged, err := readFile(l.path(hour), func(r *row) {
		key := Key{hour, r.Tenant, r.Function}
		if sums[key] == nil {
			sums[key] = &Totals{}
		} else {
			lines++ // a second row of the same function
		}
		sums[key].Add(&r.Totals)
	})
	if err != nil || lines == 0 && damaged == 0 {
		return err
	}
	line, err := encode(sums)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(l.dir, ".sum-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(line)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), l.path(hour))
}

// Read calls each with what every function used in every hour that begins in
// [since, until): sums that it may keep, several for a function and an hour
// perhaps. Empty names choose all.
func (l *Ledger) Read(since, until time.Time, tenant, function string, each func(Key, *Totals)) error {
	chosen := func(k Key) bool {
		return !k.Hour.Before(since) && k.Hour.Before(until) && (tenant == "" || k.Tenant == tenant) && (function == "" || k.Function == function)
	}
	l.files.RLock() // nothing moves from memory to a file meanwhile
	defer l.files.RUnlock()
	l.mu.Lock()
	for key, t := range l.gathered {
		if chosen(key) {
			copied := &Totals{}
			copied.Add(t)
			each(key, copied)
		}
	}
	l.mu.Unlock()
	if l.dir == "" {
		return nil
	}
	hours, err := l.hours()
	if err != nil {
		return err
	}
	for _, hour := range hours {
		if hour.Before(since) || !hour.Before(until) {
			continue
		}
		if _, err := readFile(l.path(hour), func(r *row) {
			if key := (Key{hour, r.Tenant, r.Function}); chosen(key) {
				each(key, &r.Totals)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}
