package webapi

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// cryptoSign is sign(algorithm, hash, PKCS #8, bytes, salt length).
func cryptoSign(a Args) (any, error) {
	key, err := privateKey(a.Bytes(2))
	if err != nil {
		return nil, err
	}
	data := a.Bytes(3)
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, data), nil
	}
	h, err := hashOf(a.Text(1))
	if err != nil {
		return nil, err
	}
	sum := digest(h, data)
	var out []byte
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum)
		if err != nil {
			return nil, domError("OperationError", "signing failed")
		}
		n := (k.Params().BitSize + 7) / 8
		out = make([]byte, 2*n)
		r.FillBytes(out[:n])
		s.FillBytes(out[n:])
		return out, nil
	case *rsa.PrivateKey:
		if a.Text(0) == "RSA-PSS" {
			out, err = rsa.SignPSS(rand.Reader, k, h, sum, pss(a.Int(4)))
		} else {
			out, err = rsa.SignPKCS1v15(rand.Reader, k, h, sum)
		}
		if err != nil {
			return nil, domError("OperationError", "signing failed: %v", err)
		}
		return out, nil
	}
	return nil, domError("InvalidAccessError", "the key cannot sign")
}

func pss(salt int) *rsa.PSSOptions {
	if salt <= 0 {
		// Go takes 0 for the longest; an empty salt is not offered.
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	}
	return &rsa.PSSOptions{SaltLength: salt}
}

// cryptoVerify is verify(algorithm, hash, SPKI, bytes, signature, salt length).
func cryptoVerify(a Args) (any, error) {
	key, err := publicKey(a.Bytes(2))
	if err != nil {
		return nil, err
	}
	data, signature := a.Bytes(3), a.Bytes(4)
	if k, ok := key.(ed25519.PublicKey); ok {
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(k, data, signature), nil
	}
	h, err := hashOf(a.Text(1))
	if err != nil {
		return nil, err
	}
	sum := digest(h, data)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		n := (k.Params().BitSize + 7) / 8
		if len(signature) != 2*n {
			return false, nil
		}
		return ecdsa.Verify(k, sum, new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])), nil
	case *rsa.PublicKey:
		if a.Text(0) == "RSA-PSS" {
			return rsa.VerifyPSS(k, h, sum, signature, pss(a.Int(5))) == nil, nil
		}
		return rsa.VerifyPKCS1v15(k, h, sum, signature) == nil, nil
	}
	return nil, domError("InvalidAccessError", "the key cannot verify")
}

// cryptoRSA is rsa(decrypt, hash, DER, bytes, label): RSA-OAEP.
func cryptoRSA(a Args) (any, error) {
	h, err := hashOf(a.Text(1))
	if err != nil {
		return nil, err
	}
	if a.Int(0) == 0 {
		key, err := publicKey(a.Bytes(2))
		if err != nil {
			return nil, err
		}
		if k, ok := key.(*rsa.PublicKey); ok {
			out, err := rsa.EncryptOAEP(h.New(), rand.Reader, k, a.Bytes(3), a.Bytes(4))
			if err != nil {
				return nil, domError("OperationError", "RSA-OAEP: %d bytes are too many for the key", len(a.Bytes(3)))
			}
			return out, nil
		}
	} else {
		key, err := privateKey(a.Bytes(2))
		if err != nil {
			return nil, err
		}
		if k, ok := key.(*rsa.PrivateKey); ok {
			out, err := rsa.DecryptOAEP(h.New(), nil, k, a.Bytes(3), a.Bytes(4))
			if err != nil {
				return nil, domError("OperationError", "RSA-OAEP: the data cannot be decrypted")
			}
			return append([]byte{}, out...), nil
		}
	}
	return nil, domError("InvalidAccessError", "the key is no RSA key")
}

// cryptoDH is dh(PKCS #8, SPKI): the shared secret of ECDH and X25519.
func cryptoDH(a Args) (any, error) {
	private, err := privateKey(a.Bytes(0))
	if err != nil {
		return nil, err
	}
	public, err := publicKey(a.Bytes(1))
	if err != nil {
		return nil, err
	}
	mine, err := exchangeKey[*ecdh.PrivateKey](private)
	if err != nil {
		return nil, err
	}
	theirs, err := exchangeKey[*ecdh.PublicKey](public)
	if err != nil {
		return nil, err
	}
	secret, err := mine.ECDH(theirs)
	if err != nil {
		return nil, domError("OperationError", "the two keys have no shared secret")
	}
	return secret, nil
}

// exchangeKey returns a key for key agreement.
func exchangeKey[K crypto.PublicKey](key any) (k K, err error) {
	if e, ok := key.(interface{ ECDH() (K, error) }); ok {
		if k, err = e.ECDH(); err == nil {
			return k, nil
		}
	} else if k, ok := key.(K); ok {
		return k, nil
	}
	return k, domError("InvalidAccessError", "the key is not for key agreement")
}
