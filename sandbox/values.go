package sandbox

import (
	"encoding/base64"
	"encoding/json"

	"github.com/bulkhead-run/bulkhead/ipc"
	"github.com/bulkhead-run/bulkhead/sandbox/quickjs"
)

// packedMark begins a value that is not JSON: see package value. The packed
// value itself is JSON, which values.js makes and reads.
var packedMark = []byte{0}

// valueCall serves what values.js asks.
func valueCall(i *quickjs.Instance, b bridge, a quickjs.Args) quickjs.Value {
	switch a.Int(0) {
	case opJSON:
		return plainText(i, a.At(1), b)
	case opClass:
		return quickjs.Int(i.Class(a.At(1)))
	case opBase64:
		return encodeBytes(i, a)
	case opBytes:
		return decodeBytes(i, a)
	}
	return quickjs.Undefined
}

// plainText makes the JSON text of a value; of one that is not plain, or whose
// text is very large, it is undefined.
func plainText(i *quickjs.Instance, v quickjs.Value, b bridge) quickjs.Value {
	text, plain := i.JSON(v, b.prototypes, ipc.MaxResult)
	if !plain || len(text) > ipc.MaxResult {
		return quickjs.Undefined
	}
	return newString(i, text)
}

// encodeBytes turns a part of an ArrayBuffer into base64. What cannot be read
// is undefined.
func encodeBytes(i *quickjs.Instance, a quickjs.Args) quickjs.Value {
	data, ok := a.Slice(1, int(a.Int(2)), int(a.Int(3)))
	if !ok {
		return quickjs.Undefined
	}
	text, err := json.Marshal(data)
	if err != nil {
		return raise(i, err)
	}
	v, err := i.ParseJSON(text)
	if err != nil {
		return raise(i, err)
	}
	return v
}

// decodeBytes makes an ArrayBuffer of base64.
func decodeBytes(i *quickjs.Instance, a quickjs.Args) quickjs.Value {
	text, _, ok := a.Text(1, ipc.MaxHostValue)
	if !ok {
		return quickjs.Undefined
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err != nil {
		return quickjs.Undefined
	}
	v, err := i.NewArrayBuffer(data[:n])
	if err != nil {
		return raise(i, err)
	}
	return v
}
