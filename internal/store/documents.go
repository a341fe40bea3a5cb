package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Documents is a directory with one small JSON document per tenant, for this
// user alone. Each is replaced in one step that survives a crash. Its methods
// may be called from many goroutines, but of two writes of one document at
// once either may win.
type Documents struct{ dir string }

// OpenDocuments opens a directory, which it creates when missing. The errors
// are fs.ErrPermission or the system's own. There is nothing to close.
func OpenDocuments(dir string) (*Documents, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, dirError(dir, err)
	}
	return &Documents{dir}, nil
}

func (d *Documents) path(tenant string) (string, error) {
	if err := checkName("tenant", tenant); err != nil {
		return "", err
	}
	return filepath.Join(d.dir, tenant+".json"), nil
}

// Read decodes a tenant's document into v; ok is false when there is none. The
// errors are ErrInvalid for a name that no tenant can have, ErrCorrupt for
// what does not decode, or the system's own.
func (d *Documents) Read(tenant string, v any) (ok bool, err error) {
	path, err := d.path(tenant)
	if err != nil {
		return false, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("%s: %w: %w (restore it from a backup)", path, ErrCorrupt, err)
	}
	return true, nil
}

// Write replaces a tenant's document. It is on disk when Write returns.
func (d *Documents) Write(tenant string, v any) error {
	path, err := d.path(tenant)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(d.dir, ".new-*")
	if err != nil {
		return dirError(d.dir, err)
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return dirError(d.dir, err)
	}
	return syncDir(d.dir)
}

// Delete removes a tenant's document. That there is none is no error.
func (d *Documents) Delete(tenant string) error {
	path, err := d.path(tenant)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(d.dir)
}

// Tenants returns the tenants that have a document, in order.
func (d *Documents) Tenants() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	var tenants []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && nameForm.MatchString(name) {
			tenants = append(tenants, name)
		}
	}
	return tenants, nil
}
