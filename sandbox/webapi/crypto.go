package webapi

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	_ "crypto/sha1"   // Registers SHA-1.
	_ "crypto/sha256" // Registers SHA-256.
	_ "crypto/sha512" // Registers SHA-384 and SHA-512.
	"encoding/binary"

	"github.com/google/uuid"
)

const (
	maxRandom     = 65_536
	maxIterations = 1_000_000
	maxDerived    = 1 << 20 // bytes
)

func hashOf(name string) (crypto.Hash, error) {
	switch name {
	case "SHA-1":
		return crypto.SHA1, nil
	case "SHA-256":
		return crypto.SHA256, nil
	case "SHA-384":
		return crypto.SHA384, nil
	case "SHA-512":
		return crypto.SHA512, nil
	}
	return 0, domError("NotSupportedError", "the hash %q is not supported", clip(name))
}

// cryptoRandom is random(n): as many random bytes.
func cryptoRandom(a Args) (any, error) {
	n := a.Int(0)
	if n < 0 || n > maxRandom {
		return nil, domError("QuotaExceededError", "getRandomValues gives at most %d bytes at once", maxRandom)
	}
	b := make([]byte, n)
	a.random(b)
	return b, nil
}

func cryptoUUID(a Args) (any, error) {
	id := uuid.UUID{}
	a.random(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4
	return id.String(), nil
}

func digest(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}

// cryptoDigest is digest(hash, bytes).
func cryptoDigest(a Args) (any, error) {
	h, err := hashOf(a.Text(0))
	if err != nil {
		return nil, err
	}
	return digest(h, a.Bytes(1)), nil
}

// cryptoHMAC is hmac(hash, key, bytes): the code; or, with the code that is
// expected as well, whether it is that.
func cryptoHMAC(a Args) (any, error) {
	h, err := hashOf(a.Text(0))
	if err != nil {
		return nil, err
	}
	m := hmac.New(h.New, a.Bytes(1))
	m.Write(a.Bytes(2))
	if a.Has(3) {
		return hmac.Equal(m.Sum(nil), a.Bytes(3)), nil
	}
	return m.Sum(nil), nil
}

// cryptoDerive is derive("HKDF", hash, secret, salt, length, info) or
// derive("PBKDF2", hash, secret, salt, length, iterations), length in bytes.
func cryptoDerive(a Args) (any, error) {
	h, err := hashOf(a.Text(1))
	if err != nil {
		return nil, err
	}
	secret, salt, length := a.Bytes(2), a.Bytes(3), a.Int(4)
	if length < 0 || length > maxDerived {
		return nil, domError("OperationError", "at most %d bytes can be derived at once", maxDerived)
	}
	if a.Text(0) == "PBKDF2" {
		return pbkdf2(a, h, secret, salt, length, a.Int(5))
	}
	if length == 0 {
		return []byte{}, nil
	}
	key, err := hkdf.Key(h.New, secret, salt, string(a.Bytes(5)), length)
	if err != nil {
		return nil, domError("OperationError", "HKDF: %d bytes are too many for this hash", length)
	}
	return key, nil
}

// pbkdf2 is RFC 8018's, in steps short enough to look at the clock between.
func pbkdf2(a Args, h crypto.Hash, secret, salt []byte, length, iterations int) ([]byte, error) {
	switch {
	case iterations < 1:
		return nil, domError("OperationError", "PBKDF2: the number of iterations must be from 1")
	case iterations > maxIterations:
		return nil, domError("NotSupportedError", "PBKDF2: %d iterations are over the limit of %d", iterations, maxIterations)
	}
	prf := hmac.New(h.New, secret)
	out := make([]byte, 0, length+h.Size())
	u := make([]byte, 0, h.Size())
	steps := 0
	for block := uint32(1); len(out) < length; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write(binary.BigEndian.AppendUint32(nil, block))
		u = prf.Sum(u[:0])
		out = append(out, u...)
		t := out[len(out)-len(u):]
		for range iterations - 1 {
			if steps++; steps%1024 == 0 && a.Expired() {
				return nil, ErrExpired
			}
			prf.Reset()
			prf.Write(u)
			u = prf.Sum(u[:0])
			for n := range t {
				t[n] ^= u[n]
			}
		}
	}
	return out[:length], nil
}
