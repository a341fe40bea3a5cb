package tokens

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

var (
	// ErrUnknown means that there is no such token: it was revoked, or is
	// another supervisor's.
	ErrUnknown = errors.New("the token is not known here; it may have been revoked")
	// ErrExpired means that the token's time is over.
	ErrExpired = errors.New("the token has expired")
)

// usedStep is how exact Token.Used is, and how often it is written.
const usedStep = time.Minute

// fileName is the one document of the directory.
const fileName = "tokens"

// document is what the file holds. That there is one means that authentication
// is on: revoking the last token must not open what it had closed.
type document struct {
	Tokens []*entry `json:"tokens"`
}

// entry is a token as it is kept.
type entry struct {
	Token
	Hash []byte `json:"sha256"`

	used atomic.Int64 // Unix time in seconds
}

// Store keeps tokens in a directory. Its methods may be called from many
// goroutines. The caller closes it.
type Store struct {
	files *store.Documents
	log   *slog.Logger
	known atomic.Pointer[map[string]*entry] // by id; immutable

	mu      sync.Mutex // held for changes
	ever    atomic.Bool
	writing *time.Timer // of when tokens were used; nil when none is due
	closed  bool
}

// Open reads the tokens in a directory, which it creates when missing.
// configured is the text of an admin token that is not kept there, or "". The
// errors are those of store.Documents, or ErrMalformed.
func Open(dir, configured string, log *slog.Logger) (*Store, error) {
	files, err := store.OpenDocuments(dir)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	var doc document
	found, err := files.Read(fileName, &doc)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	s := &Store{files: files, log: log}
	known := make(map[string]*entry, len(doc.Tokens)+1)
	for _, e := range doc.Tokens {
		if len(e.Hash) != sha256.Size || len(e.ID) != idSize {
			return nil, fmt.Errorf("tokens: %w: the token %.80q has no id or no hash (restore %s from a backup)", store.ErrCorrupt, e.Name, dir)
		}
		e.used.Store(unix(e.Used))
		known[e.ID] = e
	}
	if configured != "" {
		id, hash, err := parse(configured)
		if err != nil {
			return nil, err
		}
		known[id] = &entry{Token: Token{Name: "configured", ID: id, Scopes: []Scope{Admin}, Created: time.Now().UTC(), Configured: true}, Hash: hash[:]}
	}
	s.known.Store(&known)
	s.ever.Store(found || configured != "")
	return s, nil
}

// Ever tells whether there is a token, or was one.
func (s *Store) Ever() bool { return s.ever.Load() }

// Find returns the token of this text. The error is ErrMalformed, ErrUnknown
// or ErrExpired. How long it takes tells nothing of the secret, nor whether
// there is a token of that id.
func (s *Store) Find(text string, now time.Time) (*Token, error) {
	id, hash, err := parse(text)
	if err != nil {
		return nil, err
	}
	e := (*s.known.Load())[id]
	against := make([]byte, sha256.Size)
	if e != nil {
		against = e.Hash
	}
	if subtle.ConstantTimeCompare(hash[:], against) != 1 || e == nil {
		return nil, ErrUnknown
	}
	if !e.Expires.IsZero() && !now.Before(e.Expires) {
		return nil, ErrExpired
	}
	if last := e.used.Load(); (now.Unix()-last >= int64(usedStep/time.Second) || now.Unix() < last-int64(usedStep/time.Second)) && e.used.CompareAndSwap(last, now.Unix()) {
		s.writeSoon()
	}
	return &e.Token, nil
}

// Create makes a token and returns its text, which is kept nowhere. Of t it
// takes what is not set here: ID and Created are. The error is a *FieldError,
// ErrExists, or the disk's.
func (s *Store) Create(t Token, now time.Time) (Token, string, error) {
	if err := t.validate(now); err != nil {
		return Token{}, "", err
	}
	text := Generate()
	id, hash, err := parse(text)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	t.ID, t.Created, t.Used, t.Configured = id, now.UTC().Round(0), time.Time{}, false
	err = s.change(func(known map[string]*entry) error {
		for _, e := range known {
			if e.Name == t.Name {
				return fmt.Errorf("the token %s %w already", t.Name, ErrExists)
			}
		}
		if len(known) >= maxTokens {
			return &FieldError{"name", fmt.Sprintf("cannot be added: there are %d tokens, which is the most", maxTokens)}
		}
		known[id] = &entry{Token: t, Hash: hash[:]}
		return nil
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, text, nil
}

// Revoke ends a token, by its name, at once. The error is ErrNotFound,
// ErrInvalid for the one of the configuration, or the disk's, and then the
// token still holds.
func (s *Store) Revoke(name string) error {
	return s.change(func(known map[string]*entry) error {
		for id, e := range known {
			if e.Name == name && e.Configured {
				return &FieldError{"name", "is the token of the configuration; take it out there and start again"}
			}
			if e.Name == name {
				delete(known, id)
				return nil
			}
		}
		return fmt.Errorf("the token %.80q is %w", name, ErrNotFound)
	})
}

// RevokeTenant ends the tokens of a tenant.
func (s *Store) RevokeTenant(tenant string) error {
	has := false
	for _, e := range *s.known.Load() {
		has = has || e.Tenant == tenant
	}
	if !has {
		return nil
	}
	return s.change(func(known map[string]*entry) error {
		maps.DeleteFunc(known, func(_ string, e *entry) bool { return e.Tenant == tenant && tenant != "" })
		return nil
	})
}

// List returns the tokens in order of their names.
func (s *Store) List() []Token {
	list := []Token{}
	for _, e := range *s.known.Load() {
		list = append(list, e.told())
	}
	slices.SortFunc(list, func(a, b Token) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (e *entry) told() Token {
	t := e.Token
	if used := e.used.Load(); used > 0 {
		t.Used = time.Unix(used, 0).UTC()
	}
	return t
}

// change applies f to a copy, which holds once it is on disk.
func (s *Store) change(f func(known map[string]*entry) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := maps.Clone(*s.known.Load())
	if err := f(known); err != nil {
		return err
	}
	if err := s.write(known); err != nil {
		return err
	}
	s.known.Store(&known)
	s.ever.Store(true)
	return nil
}

// write writes all tokens. The lock is held.
func (s *Store) write(known map[string]*entry) error {
	doc := document{Tokens: []*entry{}}
	for _, e := range known {
		if !e.Configured {
			doc.Tokens = append(doc.Tokens, &entry{Token: e.told(), Hash: e.Hash})
		}
	}
	slices.SortFunc(doc.Tokens, func(a, b *entry) int { return strings.Compare(a.Name, b.Name) })
	if err := s.files.Write(fileName, &doc); err != nil {
		return fmt.Errorf("the tokens could not be written: %w", err)
	}
	return nil
}

// writeSoon has written when tokens were used, together with the next of them.
func (s *Store) writeSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing == nil && !s.closed {
		s.writing = time.AfterFunc(usedStep, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.writeUsed()
		})
	}
}

// writeUsed writes when tokens were used. The lock is held.
func (s *Store) writeUsed() {
	if s.writing == nil {
		return
	}
	s.writing.Stop()
	s.writing = nil
	known := *s.known.Load()
	for _, e := range known {
		if !e.Configured {
			if err := s.write(known); err != nil {
				s.log.Warn("when tokens were last used was not written", slog.Any("error", err))
			}
			return
		}
	}
}

// Close writes when tokens were last used.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeUsed()
	s.closed = true
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
