package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// lookAgain is how long a certificate is used before its files are looked at
// again.
const lookAgain = time.Second

// certificate is a pair of files that is read again when they change.
type certificate struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	seen   [2]stamp // of the files when they were last read
	looked time.Time
}

// stamp tells one state of a file from another.
type stamp struct {
	changed time.Time
	size    int64
	inode   any
	err     string
}

// LoadTLS reads a certificate with its chain, and its key, both in PEM, and
// returns what Options.TLS takes: TLS 1.2 or later. When the files change, the
// next connection gets the new pair; as long as that is no good, the old one
// stays, and the log says why.
func LoadTLS(cert, key string, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{cert: cert, key: key, log: log}
	wrong := func(err error) error {
		return &outcome.Error{Outcome: outcome.Invalid, Err: err, Detail: fmt.Sprintf("the TLS certificate cannot be used: %v", err),
			Remedy: "name PEM files that belong together with tls.cert and tls.key; the certificate's file holds its chain, too"}
	}
	info, err := os.Stat(key)
	if err != nil {
		return nil, wrong(err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, wrong(fmt.Errorf("everyone can read the key %s (chmod 600 it)", key))
	}
	c.seen, c.looked = c.stamps(), time.Now()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, wrong(err)
	}
	c.pair = &pair
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

func (c *certificate) stamps() (now [2]stamp) {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			now[i].err = err.Error()
			continue
		}
		now[i] = stamp{changed: info.ModTime(), size: info.Size(), inode: inode(info)}
	}
	return now
}

// get returns the newest pair that is any good.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookAgain {
		c.looked = now
		c.look()
	}
	return c.pair, nil
}

// look reads the files again if they have changed. The lock is held.
func (c *certificate) look() {
	now := c.stamps()
	if now == c.seen {
		return
	}
	c.seen = now
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil && pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
		err = fmt.Errorf("it expired at %s", pair.Leaf.NotAfter.UTC().Format(time.DateTime))
	}
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w (the supervisor's user must be able to read it)", err)
		}
		c.log.Error("the new TLS certificate cannot be used; the old one stays", slog.String("cert", c.cert), slog.Any("error", err))
		return
	}
	c.pair = &pair
	c.log.Info("the TLS certificate was read again", slog.String("cert", c.cert))
}
