package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-run/bulkhead/internal/backup"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

func dataFlag() cli.Flag {
	return &cli.StringFlag{Name: "data", Usage: "the data `DIR`", DefaultText: "~/.local/share/bulkhead, or /var/lib/bulkhead for root"}
}

func backupCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "backup", Usage: "copy a data directory into one file",
		Description: "A supervisor may go on using the directory. The file has tenants, functions with their code, databases, keys, queues, objects,\n" +
			"variables and secrets, which stay encrypted; it has no keys, no audit log and nothing that is made anew.\n" +
			"A second copy of all of it lies beside the file until it is done.",
		Flags: []cli.Flag{
			dataFlag(), databaseFlag(),
			&cli.StringFlag{Name: "output", Usage: "the `FILE` to write, which must not exist", DefaultText: "bulkhead-DATE.tar.zst"},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			o := backup.Options{Output: c.String("output"), Version: versionString()}
			if o.Output == "" {
				o.Output = "bulkhead-" + time.Now().UTC().Format("2006-01-02T150405Z") + ".tar.zst"
			}
			var err error
			if o.Data, o.Database, err = dataAndDatabase(c); err != nil {
				return err
			}
			m, err := backup.Create(c.Context, o)
			if err != nil {
				return dataError(c, err)
			}
			if t.json {
				return t.document(map[string]any{"file": o.Output, "tenants": m.Tenants, "functions": m.Functions, "databases": m.Databases, "files": len(m.Files), "damaged": append([]string{}, m.Damaged...)})
			}
			t.printf("%s has %s", o.Output, counted(m.Report))
			for _, d := range m.Damaged {
				t.printf("damaged, and copied as it is: %s", d)
			}
			return nil
		},
	}
}

func restoreCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "make a data directory of a backup", ArgsUsage: "FILE",
		Description: "The directory must be empty or missing; it is there only if the backup is whole. The keys of secrets and of\n" +
			"PostgreSQL are not in a backup: put those of the old directory in their places.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "data", Usage: "the new data `DIR`", Required: true}},
		Action: func(c *cli.Context) error {
			args, err := arguments(c, "FILE")
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(c.String("data"))
			if err != nil {
				return err
			}
			m, err := backup.Restore(c.Context, args[0], dir)
			if err != nil {
				return dataError(c, err)
			}
			if t.json {
				return t.document(map[string]any{"data": dir, "created": m.Created, "version": m.Version, "tenants": m.Tenants, "functions": m.Functions, "databases": m.Databases})
			}
			t.printf("%s has %s, as of %s", dir, counted(m.Report), m.Created.Format(time.RFC3339))
			return nil
		},
	}
}

func checkCommand(t *terminal) *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "read through a data directory that no supervisor uses",
		Description: "Reads every record, all code and every database. What a start would put right is put right; what is lost is listed,\n" +
			"and the exit code is 1 then.",
		Flags: []cli.Flag{
			dataFlag(), databaseFlag(),
			&cli.BoolFlag{Name: "repair", Usage: "accept what the registry has when its journal is missing or damaged: what neither has is lost"},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			dir, database, err := dataAndDatabase(c)
			if err != nil {
				return err
			}
			r, err := backup.Check(c.Context, dir, database, c.Bool("repair"))
			if err != nil {
				return dataError(c, err)
			}
			if t.json {
				err = t.document(r)
			} else {
				t.printf("%s has %s", dir, counted(r))
				for _, what := range r.Restored {
					t.printf("put right: %s", what)
				}
				for _, what := range r.Lost {
					t.printf("lost: %s", what)
				}
			}
			if err == nil && len(r.Lost) > 0 {
				err = exitStatus(1)
			}
			return err
		},
	}
}

// dataAndDatabase returns the data directory and the database program of a
// command line.
func dataAndDatabase(c *cli.Context) (dir, database string, err error) {
	if dir = c.String("data"); dir == "" {
		if dir, err = defaultDataDir(); err != nil {
			return "", "", err
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if database = c.String("database-bin"); database == "" {
		self, err := os.Executable()
		if err != nil {
			return "", "", err
		}
		database = filepath.Join(filepath.Dir(self), "database")
	}
	if _, err := os.Stat(database); err != nil {
		return "", "", usagef("no database program at %s: %v; name it with --database-bin", database, plain(err))
	}
	return dir, database, nil
}

// dataError says what is wrong with a data directory or a backup, and what to do.
func dataError(c *cli.Context, err error) error {
	o := &outcome.Error{Outcome: outcome.Internal, Detail: fmt.Sprintf("%s: %v", c.Command.Name, err), Err: err}
	for _, known := range []error{fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, backup.ErrNotEmpty, backup.ErrDamaged, store.ErrInUse, store.ErrNewerFormat, store.ErrCorrupt} {
		if errors.Is(err, known) {
			o.Outcome = outcome.Invalid
		}
	}
	return o
}

func counted(r backup.Report) string {
	return fmt.Sprintf("%d tenants, %d functions, %d databases", r.Tenants, r.Functions, r.Databases)
}
