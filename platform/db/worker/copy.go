package worker

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"modernc.org/sqlite"
)

// openFile opens any database file for copying or checking: none of the
// tenant's SQL is run, and no pragma of ours is set.
func openFile(file, mode string) (driver.Conn, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: url.Values{"mode": {mode}, "_busy_timeout": {busyMilliseconds}}.Encode()}
	return tenantDriver.Open(u.String())
}

// Copy copies a database that may be in use to a new file: what had been
// committed when it began, whole, page by page. The file to may not exist.
func Copy(from, to string) (err error) {
	c, err := openFile(from, "rw")
	if err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	source, ok := c.(interface {
		NewBackup(uri string) (*sqlite.Backup, error)
	})
	if !ok {
		return fmt.Errorf("the SQLite driver lacks what is needed: %T", c)
	}
	backup, err := source.NewBackup(to)
	if err != nil {
		return fmt.Errorf("open %s: %w", to, err)
	}
	for more := true; more; {
		if more, err = backup.Step(-1); err != nil {
			return errors.Join(fmt.Errorf("copy %s: %w", from, err), backup.Finish())
		}
	}
	return backup.Finish()
}

// Check returns what SQLite finds wrong with a database's structure.
func Check(file string) (err error) {
	c, err := openFile(file, "rw")
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	rows, err := c.(driver.QueryerContext).QueryContext(context.Background(), "PRAGMA quick_check(10)", nil)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	var problems []error
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return errors.Join(problems...)
		case err != nil:
			return fmt.Errorf("%s: %w", file, err)
		case row[0] != "ok":
			problems = append(problems, fmt.Errorf("%s: %v", file, row[0]))
		}
	}
}
