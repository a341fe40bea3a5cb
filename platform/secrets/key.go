package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CredentialName is the systemd credential that holds the keys.
const CredentialName = "bulkhead-key"

var (
	// ErrNoKey means that there is no key to encrypt or decrypt with.
	ErrNoKey = errors.New("there is no key for secrets")
	// ErrWrongKey means that a secret was encrypted under a key that is not
	// among those given.
	ErrWrongKey = errors.New("the key for this secret is missing")
	// ErrDamaged means that a secret does not decrypt: it was changed on disk,
	// or moved to another tenant, name or host.
	ErrDamaged = errors.New("the secret is damaged")
)

const keySize = 32

// Keys are the keys for secrets: the first encrypts, all decrypt.
type Keys struct {
	current string
	byID    map[string]cipher.AEAD
}

// ParseKeys reads keys as a file holds them: one a line, 32 random bytes in
// base64, the current one first. Empty lines and lines that begin with "#" do
// not count. No error holds a key.
func ParseKeys(text []byte) (*Keys, error) {
	k := &Keys{byID: map[string]cipher.AEAD{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("line %d: a key is %d random bytes in base64 (make one with: openssl rand -base64 %d)", n, keySize, keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("bulkhead key id\x00"), key...))
		id := hex.EncodeToString(sum[:8])
		if k.current == "" {
			k.current = id
		}
		k.byID[id] = aead
	}
	if k.current == "" {
		return nil, ErrNoKey
	}
	return k, nil
}

// LoadKeys reads the keys from a file. If the path is empty it is the systemd
// credential "bulkhead-key", if there is one; otherwise the error is ErrNoKey.
// A file that others than its owner and group can read is refused.
func LoadKeys(path string) (*Keys, error) {
	if path == "" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return nil, ErrNoKey
		}
		path = filepath.Join(dir, CredentialName)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, ErrNoKey
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("key for secrets: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("key for secrets: everyone can read %s (chmod 600 it)", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key for secrets: %w", err)
	}
	k, err := ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key for secrets: %s: %w", path, err)
	}
	return k, nil
}

// NewKey makes a key, as one line of a key file.
func NewKey() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // it never fails
	return base64.StdEncoding.EncodeToString(key) + "\n"
}

// seal encrypts under the current key.
func (k *Keys) seal(value Secret, bound []byte) (id string, sealed []byte, err error) {
	if k == nil {
		return "", nil, ErrNoKey
	}
	return k.current, k.byID[k.current].Seal(nil, nil, []byte(value.value), bound), nil
}

func (k *Keys) open(id string, sealed, bound []byte) (Secret, error) {
	if k == nil {
		return Secret{}, ErrNoKey
	}
	aead := k.byID[id]
	if aead == nil {
		return Secret{}, fmt.Errorf("%w: it has the id %.32q, the current key %s (add the old key below the new one)", ErrWrongKey, id, k.current)
	}
	value, err := aead.Open(nil, nil, sealed, bound)
	if err != nil {
		return Secret{}, ErrDamaged
	}
	return Secret{string(value)}, nil
}
