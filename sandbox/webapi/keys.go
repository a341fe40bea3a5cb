package webapi

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
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
