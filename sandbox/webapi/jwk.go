package webapi

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
)

// jwk is a JSON Web Key (RFC 7517, 7518, 8037).
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv,omitempty"`
	X   b64    `json:"x,omitempty"`
	Y   b64    `json:"y,omitempty"`
	D   b64    `json:"d,omitempty"`
	N   b64    `json:"n,omitempty"`
	E   b64    `json:"e,omitempty"`
	P   b64    `json:"p,omitempty"`
	Q   b64    `json:"q,omitempty"`
	DP  b64    `json:"dp,omitempty"`
	DQ  b64    `json:"dq,omitempty"`
	QI  b64    `json:"qi,omitempty"`
}

// b64 is bytes as base64url.
type b64 []byte

func (b b64) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

func (b *b64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

func fromJWK(kind string, text []byte) (any, error) {
	invalid := dataError("the JWK is not a key of the algorithm")
	var k jwk
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, invalid
	}
	switch {
	case kind == "RSA" && k.Kty == "RSA":
		return rsaOf(k)
	case kind == "EC" && k.Kty == "EC" && curves[k.Crv] != nil:
		public, err := ecdsa.ParseUncompressedPublicKey(curves[k.Crv], append(append([]byte{4}, k.X...), k.Y...))
		if err != nil {
			return nil, invalid
		}
		if k.D == nil {
			return public, nil
		}
		private, err := ecdsa.ParseRawPrivateKey(curves[k.Crv], k.D)
		if err != nil || !private.PublicKey.Equal(public) {
			return nil, invalid
		}
		return private, nil
	case kind == k.Crv && k.Kty == "OKP" && k.D == nil:
		return rawPublic(kind, "", k.X)
	case kind == k.Crv && k.Kty == "OKP" && kind == "Ed25519" && len(k.D) == ed25519.SeedSize:
		private := ed25519.NewKeyFromSeed(k.D)
		if !private.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(k.X)) {
			return nil, invalid
		}
		return private, nil
	case kind == k.Crv && k.Kty == "OKP" && kind == "X25519":
		private, err := ecdh.X25519().NewPrivateKey(k.D)
		if err != nil || string(private.PublicKey().Bytes()) != string(k.X) {
			return nil, invalid
		}
		return private, nil
	}
	return nil, invalid
}

func rsaOf(k jwk) (any, error) {
	invalid := dataError("the JWK is not a valid RSA key")
	e := new(big.Int).SetBytes(k.E)
	if !e.IsInt64() || e.Int64() > 1<<31-1 || len(k.N) == 0 || len(k.N) > maxRSABits/8 {
		return nil, invalid
	}
	public := rsa.PublicKey{N: new(big.Int).SetBytes(k.N), E: int(e.Int64())}
	if k.D == nil {
		return &public, nil
	}
	if len(k.D) > maxRSABits/8 || len(k.P) > maxRSABits/8 || len(k.Q) > maxRSABits/8 {
		return nil, invalid
	}
	if k.P == nil || k.Q == nil {
		return nil, dataError("an RSA private key needs its primes, p and q")
	}
	key := &rsa.PrivateKey{
		PublicKey: public, D: new(big.Int).SetBytes(k.D),
		Primes: []*big.Int{new(big.Int).SetBytes(k.P), new(big.Int).SetBytes(k.Q)},
	}
	if err := key.Validate(); err != nil {
		return nil, invalid
	}
	key.Precompute()
	return key, nil
}

func toJWK(key any) (any, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return jwk{Kty: "RSA", N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes()}, nil
	case *rsa.PrivateKey:
		return jwk{
			Kty: "RSA", N: k.N.Bytes(), E: big.NewInt(int64(k.E)).Bytes(), D: k.D.Bytes(),
			P: k.Primes[0].Bytes(), Q: k.Primes[1].Bytes(),
			DP: k.Precomputed.Dp.Bytes(), DQ: k.Precomputed.Dq.Bytes(), QI: k.Precomputed.Qinv.Bytes(),
		}, nil
	case *ecdsa.PublicKey:
		return ecJWK(k, nil)
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return nil, err
		}
		return ecJWK(&k.PublicKey, d)
	case ed25519.PublicKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: b64(k)}, nil
	case ed25519.PrivateKey:
		return jwk{Kty: "OKP", Crv: "Ed25519", X: b64(k.Public().(ed25519.PublicKey)), D: k.Seed()}, nil
	case *ecdh.PublicKey:
		return jwk{Kty: "OKP", Crv: "X25519", X: k.Bytes()}, nil
	case *ecdh.PrivateKey:
		return jwk{Kty: "OKP", Crv: "X25519", X: k.PublicKey().Bytes(), D: k.Bytes()}, nil
	}
	return nil, domError("NotSupportedError", "the key has no JWK")
}

func ecJWK(k *ecdsa.PublicKey, d []byte) (any, error) {
	point, err := k.Bytes()
	if err != nil {
		return nil, err
	}
	n := (len(point) - 1) / 2
	return jwk{Kty: "EC", Crv: k.Params().Name, X: point[1 : 1+n], Y: point[1+n:], D: d}, nil
}
