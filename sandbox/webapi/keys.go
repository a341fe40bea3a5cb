package webapi

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"
)

// A key pair's halves are kept by JavaScript as DER: PKCS #8 and SPKI.

// asymmetric describes a key to JavaScript.
type asymmetric struct {
	Type     string `json:"type"` // "private" or "public"
	Data     string `json:"data"` // base64 of DER
	Curve    string `json:"curve,omitempty"`
	Bits     int    `json:"bits,omitempty"`
	Exponent string `json:"exponent,omitempty"` // base64url
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

func dataError(format string, args ...any) error { return domError("DataError", format, args...) }

const maxRSABits = 8192

// describe tells what a key is; its family must be kind: "RSA", "EC", "Ed25519"
// or "X25519".
func describe(key any, kind string) (asymmetric, error) {
	out := asymmetric{Type: "public"}
	private, isPrivate := key.(crypto.Signer)
	public := key
	if isPrivate {
		public = private.Public()
	} else if dh, ok := key.(*ecdh.PrivateKey); ok {
		isPrivate, public = true, dh.Public()
	}
	family := ""
	switch p := public.(type) {
	case *rsa.PublicKey:
		family, out.Bits = "RSA", p.N.BitLen()
		out.Exponent = base64.RawURLEncoding.EncodeToString(big.NewInt(int64(p.E)).Bytes())
		if out.Bits > maxRSABits {
			return out, dataError("RSA keys have at most %d bits here", maxRSABits)
		}
	case *ecdsa.PublicKey:
		family, out.Curve = "EC", p.Params().Name
		if curves[out.Curve] == nil {
			return out, dataError("the curve %s is not supported", out.Curve)
		}
	case ed25519.PublicKey:
		family = "Ed25519"
	case *ecdh.PublicKey:
		family = "X25519"
	}
	if family != kind {
		return out, dataError("the key is not of the algorithm's kind")
	}
	var der []byte
	var err error
	if isPrivate {
		out.Type = "private"
		der, err = x509.MarshalPKCS8PrivateKey(key)
	} else {
		der, err = x509.MarshalPKIXPublicKey(public)
	}
	if err != nil {
		return out, dataError("the key cannot be encoded")
	}
	out.Data = base64.StdEncoding.EncodeToString(der)
	return out, nil
}

// maxDER bounds a key: a longer one would only be slow.
const maxDER = 16 << 10

func privateKey(der []byte) (any, error) {
	if len(der) > maxDER {
		return nil, dataError("the key is over %d bytes", maxDER)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, dataError("the key is not valid PKCS #8")
	}
	return key, nil
}

func publicKey(der []byte) (any, error) {
	if len(der) > maxDER {
		return nil, dataError("the key is over %d bytes", maxDER)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, dataError("the key is not a valid SPKI")
	}
	return key, nil
}

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

// cryptoImport is import(format, kind, data or JWK, curve): a key in DER.
func cryptoImport(a Args) (any, error) {
	format, kind, data := a.Text(0), a.Text(1), a.Bytes(2)
	var key any
	var err error
	switch format {
	case "pkcs8":
		key, err = privateKey(data)
	case "spki":
		key, err = publicKey(data)
	case "raw":
		key, err = rawPublic(kind, a.Text(3), data)
	case "jwk":
		key, err = fromJWK(kind, []byte(a.Text(2)))
	default:
		err = domError("NotSupportedError", "the format %q is not supported", clip(format))
	}
	if err != nil {
		return nil, err
	}
	out, err := describe(key, kind)
	if err != nil {
		return nil, err
	}
	if kind == "EC" && a.Has(3) && out.Curve != a.Text(3) {
		return nil, dataError("the key's curve is %s, not %s", out.Curve, clip(a.Text(3)))
	}
	return out, nil
}

func rawPublic(kind, curve string, data []byte) (any, error) {
	invalid := dataError("the bytes are not a public key of the algorithm")
	switch kind {
	case "EC":
		c := curves[curve]
		if c == nil {
			return nil, domError("NotSupportedError", "the curve %q is not supported", clip(curve))
		}
		key, err := ecdsa.ParseUncompressedPublicKey(c, data)
		if err != nil {
			return nil, invalid
		}
		return key, nil
	case "Ed25519":
		if len(data) != ed25519.PublicKeySize {
			return nil, invalid
		}
		return ed25519.PublicKey(data), nil
	case "X25519":
		key, err := ecdh.X25519().NewPublicKey(data)
		if err != nil {
			return nil, invalid
		}
		return key, nil
	}
	return nil, domError("NotSupportedError", "RSA keys have no raw format")
}

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

// cryptoExport is export(format, type, DER): raw bytes or a JWK.
func cryptoExport(a Args) (any, error) {
	var key any
	var err error
	if a.Text(1) == "private" {
		key, err = privateKey(a.Bytes(2))
	} else {
		key, err = publicKey(a.Bytes(2))
	}
	if err != nil {
		return nil, err
	}
	if a.Text(0) == "jwk" {
		return toJWK(key)
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return k.Bytes()
	case ed25519.PublicKey:
		return []byte(k), nil
	case *ecdh.PublicKey:
		return k.Bytes(), nil
	}
	return nil, domError("NotSupportedError", "the key has no raw format")
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
