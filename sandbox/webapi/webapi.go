package webapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// Error is a failure that JavaScript gets: Name is TypeError, RangeError,
// SyntaxError, or the name of a DOMException.
type Error struct{ Name, Message string }

func (e *Error) Error() string { return e.Name + ": " + e.Message }

func typeError(format string, args ...any) error {
	return &Error{"TypeError", fmt.Sprintf(format, args...)}
}

func rangeError(format string, args ...any) error {
	return &Error{"RangeError", fmt.Sprintf(format, args...)}
}

func domError(name, format string, args ...any) error {
	return &Error{name, fmt.Sprintf(format, args...)}
}

// ErrExpired means that the invocation's time was over before the work was.
var ErrExpired = errors.New("webapi: out of time")

// Args are a call's arguments: string, []byte, int or nil each. What is missing
// or of another type reads as the zero value.
type Args struct {
	Values []any
	// Expired tells whether the invocation's time is over.
	Expired func() bool
	// Random, if not nil, is where random bytes come from.
	Random io.Reader
}

// random fills b with random bytes. It never fails.
func (a Args) random(b []byte) {
	if a.Random == nil {
		_, _ = rand.Read(b)
		return
	}
	_, _ = io.ReadFull(a.Random, b)
}

// Text returns argument n if it is a string.
func (a Args) Text(n int) string { return arg[string](a, n) }

// Bytes returns argument n if it is bytes.
func (a Args) Bytes(n int) []byte { return arg[[]byte](a, n) }

// Int returns argument n if it is an integer.
func (a Args) Int(n int) int { return arg[int](a, n) }

// Has tells whether argument n was given.
func (a Args) Has(n int) bool { return n < len(a.Values) && a.Values[n] != nil }

func arg[T any](a Args, n int) (v T) {
	if n < len(a.Values) {
		v, _ = a.Values[n].(T)
	}
	return v
}

// functions are what JavaScript can call. A result is a string, []byte, bool,
// int, nil, or a struct or map, which goes as JSON.
var functions = map[string]func(Args) (any, error){
	"url.parse":     urlParse,
	"url.set":       urlSet,
	"url.query":     urlQuery,
	"url.form":      urlForm,
	"text.label":    textLabel,
	"text.encode":   textEncode,
	"text.decode":   textDecode,
	"base64.atob":   atob,
	"base64.btoa":   btoa,
	"base64.encode": base64Encode,
	"base64.decode": base64Decode,
	"deflate":       deflate,
	"inflate":       inflate,
	"form.parse":    formParse,
	"crypto.random": cryptoRandom,
	"crypto.uuid":   cryptoUUID,
	"crypto.digest": cryptoDigest,
	"crypto.hmac":   cryptoHMAC,
	"crypto.aes":    cryptoAES,
	"crypto.derive": cryptoDerive,
	"crypto.dh":     cryptoDH,
	"crypto.sign":   cryptoSign,
	"crypto.verify": cryptoVerify,
	"crypto.rsa":    cryptoRSA,
	"crypto.pair":   cryptoPair,
	"crypto.import": cryptoImport,
	"crypto.export": cryptoExport,
}

// Call calls a function by its name. What JavaScript is to be told is an *Error;
// ErrExpired ends the invocation.
func Call(name string, a Args) (result any, err error) {
	f := functions[name]
	if f == nil {
		return nil, typeError("no such function: %q", name)
	}
	defer func() {
		// A library's slip on hostile input costs this call, not the process.
		if recover() != nil {
			result, err = nil, domError("OperationError", "%s failed on this input", name)
		}
	}()
	if a.Expired == nil {
		a.Expired = func() bool { return false }
	}
	return f(a)
}
