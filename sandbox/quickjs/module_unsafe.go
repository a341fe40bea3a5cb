package quickjs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	_ "unsafe" // for go:linkname

	_ "github.com/fastschema/qjs" // carries the wasm binary
)

// The binary is unexported there, and its package offers no other way to it.
//
//go:linkname qjsModule github.com/fastschema/qjs.wasmBytes
var qjsModule []byte

// moduleSHA256 names the one binary that the offsets and function numbers of
// this package were read from: github.com/fastschema/qjs v0.0.6.
const moduleSHA256 = "88fcbeead33cca3ec8394feb0fb3eec8047ec9ac5062aba7a63799cee11989b7"

// module returns the wasm binary, or an error when the module in go.mod is not
// the version that this package was written for.
func module() ([]byte, error) {
	sum := sha256.Sum256(qjsModule)
	if got := hex.EncodeToString(sum[:]); got != moduleSHA256 {
		return nil, fmt.Errorf("quickjs: the wasm binary of github.com/fastschema/qjs is %s, want %s (v0.0.6): build with the go.mod of this release", got, moduleSHA256)
	}
	return qjsModule, nil
}
