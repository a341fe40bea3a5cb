package secrets

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
)

// Secrets is the platform API secrets. It is safe for concurrent use.
type Secrets struct {
	files *store.Documents
	keys  *Keys
	log   *slog.Logger
	salt  []byte // of placeholders; new with every start

	mu      sync.RWMutex
	tenants map[string]map[string]record // what has been read; immutable
	writing sync.Mutex
}

// Options configure New.
type Options struct {
	// Dir is where secrets are kept. It is created if missing. Required.
	Dir string
	// Keys encrypt and decrypt. Without them secrets can be listed and deleted
	// only; setting one is ErrNoKey.
	Keys *Keys
	// Logger may be nil.
	Logger *slog.Logger
}

// New makes Secrets. There is nothing to close. The errors are those of
// store.OpenDocuments.
func New(o Options) (*Secrets, error) {
	files, err := store.OpenDocuments(o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	salt := make([]byte, 32)
	_, _ = rand.Read(salt) // it never fails
	return &Secrets{files: files, keys: o.Keys, log: o.Logger, salt: salt, tenants: map[string]map[string]record{}}, nil
}

// API returns the API secrets.get. What it returns and throws is in
// docs/platform-apis.md.
func (s *Secrets) API() platform.API {
	return platform.API{
		Name: "secrets.get", Sync: true, DeleteTenant: s.DeleteTenant,
		Doc: "secrets.get(name): a placeholder for a secret, which fetch replaces in headers",
		Attributes: func(args []json.RawMessage) (policies.Attributes, error) {
			name, err := (&platform.Call{Args: args}).Text(0, "name", maxName)
			return policies.Attributes{Name: name}, err
		},
		Func: s.get,
	}
}

func (s *Secrets) get(_ context.Context, call *platform.Call) (any, error) {
	name, err := call.Text(0, "name", maxName)
	if err != nil {
		return nil, err
	}
	all, err := s.read(call.Tenant)
	if err != nil {
		return nil, err
	}
	r, ok := all[name]
	if !ok {
		return nil, platform.Errorf("NotFoundError", "secrets.get: there is no secret %q", name)
	}
	value, err := s.keys.openRecord(call.Tenant, r) // also so that a wrong key is noticed here
	if err != nil {
		return nil, s.unusable(call.Tenant, name, err)
	}
	if r.Reveal {
		return value.Reveal(), nil
	}
	return s.placeholder(call.Tenant, name), nil
}

// unusable is what the function sees of a secret that does not decrypt. The
// reason is the operator's.
func (s *Secrets) unusable(tenant, name string, err error) error {
	s.log.Info("a secret cannot be used", "tenant", tenant, "secret", name, "error", err)
	return &platform.Error{Name: "SecretError", Message: "the secret " + name + " cannot be decrypted; the operator's log says why", Err: err}
}

// Set sets a secret of a tenant in place of one of the same name. Of the Info
// it takes Name, Hosts and Reveal. The errors are store.ErrInvalid, which says
// what is wrong, ErrNoKey, or those of store.Documents.
//
// A host is written "api.example.com", "*.example.com" for every name below,
// with ":port" unless it is 443; "http://" before it allows a connection that
// is not encrypted.
func (s *Secrets) Set(tenant string, i Info, value Secret) error {
	if err := i.check(value); err != nil {
		return err
	}
	i.Updated = time.Now().UTC().Round(0)
	r, err := s.keys.sealRecord(tenant, i, value)
	if err != nil {
		return fmt.Errorf("secret %s of tenant %s: %w", i.Name, tenant, err)
	}
	return s.change(tenant, func(all map[string]record) error {
		if all[i.Name] = r; len(all) > MaxSecrets {
			return fmt.Errorf("secret %s: %w: a tenant may have at most %d", i.Name, store.ErrInvalid, MaxSecrets)
		}
		return nil
	})
}

// Delete deletes a secret. The error is store.ErrNotFound when there is none.
func (s *Secrets) Delete(tenant, name string) error {
	return s.change(tenant, func(all map[string]record) error {
		if _, ok := all[name]; !ok {
			return fmt.Errorf("secret %.80q of tenant %s: %w", name, tenant, store.ErrNotFound)
		}
		delete(all, name)
		return nil
	})
}

// List returns a tenant's secrets in order of their names.
func (s *Secrets) List(tenant string) ([]Info, error) {
	all, err := s.read(tenant)
	if err != nil {
		return nil, err
	}
	infos := []Info{}
	for _, r := range all {
		infos = append(infos, r.Info)
	}
	slices.SortFunc(infos, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return infos, nil
}

// DeleteTenant deletes all secrets of a tenant.
func (s *Secrets) DeleteTenant(_ context.Context, tenant string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.files.Delete(tenant); err != nil {
		return fmt.Errorf("secrets of tenant %s: %w", tenant, err)
	}
	s.keep(tenant, nil)
	return nil
}

// Rotate encrypts under the current key what is under another, and returns how
// many secrets were. The old key is not needed afterwards unless there is an
// error, which joins those of all secrets that could not be.
func (s *Secrets) Rotate() (rotated int, err error) {
	tenants, err := s.files.Tenants()
	if err != nil {
		return 0, err
	}
	var failed []error
	for _, tenant := range tenants {
		n := 0
		err := s.change(tenant, func(all map[string]record) error {
			for name, r := range all {
				if s.keys != nil && r.Key == s.keys.current {
					continue
				}
				value, err := s.keys.openRecord(tenant, r)
				if err == nil {
					r, err = s.keys.sealRecord(tenant, r.Info, value)
				}
				if err != nil {
					failed = append(failed, fmt.Errorf("secret %s of tenant %s: %w", name, tenant, err))
					continue
				}
				all[name] = r
				n++
			}
			return nil
		})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		rotated += n
	}
	return rotated, errors.Join(failed...)
}

// change replaces a tenant's secrets by what do makes of a copy of them.
func (s *Secrets) change(tenant string, do func(map[string]record) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	old, err := s.read(tenant)
	if err != nil {
		return err
	}
	all := map[string]record{}
	maps.Copy(all, old)
	if err := do(all); err != nil {
		return err
	}
	if err := s.files.Write(tenant, document{all}); err != nil {
		return fmt.Errorf("secrets of tenant %s: %w", tenant, err)
	}
	s.keep(tenant, all)
	return nil
}

func (s *Secrets) read(tenant string) (map[string]record, error) {
	s.mu.RLock()
	all, ok := s.tenants[tenant]
	s.mu.RUnlock()
	if ok {
		return all, nil
	}
	var d document
	if _, err := s.files.Read(tenant, &d); err != nil {
		return nil, fmt.Errorf("secrets of tenant %s: %w", tenant, err)
	}
	for name, r := range d.Secrets {
		if r.Name != name {
			return nil, fmt.Errorf("secrets of tenant %s: %w: the record %.80q is of another name", tenant, store.ErrCorrupt, name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.tenants[tenant]; ok {
		return known, nil
	}
	s.tenants[tenant] = d.Secrets
	return d.Secrets, nil
}

func (s *Secrets) keep(tenant string, all map[string]record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tenants[tenant] = all
}
