package value

import "github.com/fxamacker/cbor/v2"

// The CBOR tags in use. All but tagJS are registered.
const (
	tagPositiveBig = 2     // RFC 8949
	tagNegativeBig = 3     // RFC 8949
	tagDateText    = 0     // RFC 8949; read, never written
	tagEpoch       = 1     // RFC 8949, in seconds; NaN is an invalid Date
	tagShareable   = 28    // the value may be referred to
	tagReference   = 29    // by its number among those
	tagSet         = 258   // an array
	tagMap         = 259   // a map that is a Map even if all keys are strings
	tagWTF8        = 273   // a byte string: text with lone surrogates
	tagRegExp      = 21066 // [source, flags], or with the lastIndex as a third
	// tagJS is ours: an array that begins with what it is.
	//	["Error", name, message, stack, cause, errors, properties]
	//	["ArrayBuffer", bytes]
	//	["DataView", bytes]
	// An Error's last three are undefined when there are none.
	tagJS = 0x42554c4b
)

// arrayTags are the tags of RFC 8746 by the kind of typed array: little-endian
// first, then big-endian, which is read but never written.
var arrayTags = map[string][2]uint64{
	"Uint8Array": {64, 64}, "Uint8ClampedArray": {68, 68}, "Int8Array": {72, 72},
	"Uint16Array": {69, 65}, "Uint32Array": {70, 66}, "BigUint64Array": {71, 67},
	"Int16Array": {77, 73}, "Int32Array": {78, 74}, "BigInt64Array": {79, 75},
	"Float16Array": {84, 80}, "Float32Array": {85, 81}, "Float64Array": {86, 82},
}

// arrayKinds is arrayTags, the other way.
var arrayKinds = func() map[uint64]string {
	kinds := make(map[uint64]string)
	for kind, tags := range arrayTags {
		kinds[tags[0]], kinds[tags[1]] = kind, kind
	}
	return kinds
}()

const (
	maxCBORDepth = 256
	maxCBORItems = 1 << 19 // in one array or map
)

// strict reads CBOR: duplicate keys and text that is not UTF-8 are refused by
// the code that makes values of what it found well formed.
var strict = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: maxCBORDepth, MaxArrayElements: maxCBORItems, MaxMapPairs: maxCBORItems,
	}.DecMode()
	if err != nil {
		panic("BUG: value: " + err.Error())
	}
	return mode
}()
