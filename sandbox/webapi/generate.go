package webapi

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"time"
)

// pair is both halves of a generated key.
type pair struct {
	Private asymmetric `json:"privateKey"`
	Public  asymmetric `json:"publicKey"`
}

// cryptoPair is pair(kind, curve, bits): a new key.
func cryptoPair(a Args) (any, error) {
	var private, public any
	kind := a.Text(0)
	switch kind {
	case "RSA":
		key, err := generateRSA(a, a.Int(2))
		if err != nil {
			return nil, err
		}
		private, public = key, &key.PublicKey
	case "EC":
		curve := curves[a.Text(1)]
		if curve == nil {
			return nil, domError("NotSupportedError", "the curve %q is not supported", clip(a.Text(1)))
		}
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		private, public = key, &key.PublicKey
	case "Ed25519":
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		private, public = key, pub
	case "X25519":
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		private, public = key, key.PublicKey()
	default:
		return nil, domError("NotSupportedError", "the algorithm is not supported")
	}
	var out pair
	var err error
	if out.Private, err = describe(private, kind); err != nil {
		return nil, err
	}
	out.Public, err = describe(public, kind)
	return out, err
}

// generating keeps RSA keys that nobody waits for any more from piling up: one
// is made at a time.
var generating = make(chan struct{}, 1)

// generateRSA makes an RSA key, which takes seconds if luck has it, and cannot be
// stopped: an invocation whose time is over leaves it behind.
func generateRSA(a Args, bits int) (*rsa.PrivateKey, error) {
	if bits < 2048 || bits > 4096 || bits%8 != 0 {
		return nil, domError("OperationError", "RSA keys can be generated with 2,048 to 4,096 bits, a multiple of 8")
	}
	type made struct {
		key *rsa.PrivateKey
		err error
	}
	done := make(chan made, 1)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	start := generating
	for {
		select {
		case start <- struct{}{}:
			start = nil
			go func() {
				key, err := rsa.GenerateKey(rand.Reader, bits)
				<-generating
				done <- made{key, err}
			}()
		case m := <-done:
			if m.err != nil {
				return nil, domError("OperationError", "generating an RSA key failed")
			}
			return m.key, nil
		case <-tick.C:
			if a.Expired() {
				return nil, ErrExpired
			}
		}
	}
}
