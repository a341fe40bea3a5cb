package value

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"
)

// ToJSON returns the JSON form of a value: what JSON.stringify makes of it,
// with two differences. A BigInt, which JSON.stringify refuses, becomes a
// string of its decimal digits; undefined at the top becomes null. The error
// wraps [ErrCircular] for a value that contains itself, [ErrLimit] for one
// that is too large or too deep once nothing in it is shared, and
// [ErrMalformed] for what is no wire form. JSON passes as it is, unchecked.
func ToJSON(w Wire) (json.RawMessage, error) {
	if w.IsJSON() {
		return json.RawMessage(w), nil
	}
	v, err := Decode(w)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, v)
}

// Elements returns the JSON form of each element of an array. Its errors are
// those of [ToJSON]; what is no array is [ErrMalformed].
func Elements(w Wire) ([]json.RawMessage, error) {
	if w.IsJSON() {
		var list []json.RawMessage
		if err := json.Unmarshal(w, &list); err != nil || list == nil {
			return nil, malformed("it is no JSON array")
		}
		return list, nil
	}
	v, err := Decode(w)
	if err != nil {
		return nil, err
	}
	values, ok := v.([]any)
	if !ok {
		return nil, malformed("it is no array")
	}
	list := make([]json.RawMessage, len(values))
	size := 0
	for i, v := range values {
		if list[i], err = appendJSON(nil, v); err != nil {
			return nil, err
		}
		if size += len(list[i]); size > MaxSize {
			return nil, fmt.Errorf("%w: over %d bytes as JSON", ErrLimit, MaxSize)
		}
	}
	return list, nil
}

func appendJSON(out []byte, v any) ([]byte, error) {
	j := &jsonWriter{out: out, open: make(map[any]bool)}
	if err := j.write(v); err != nil {
		return nil, err
	}
	return j.out, nil
}

type jsonWriter struct {
	out   []byte
	open  map[any]bool // what is being written
	depth int
}

func (j *jsonWriter) write(v any) error {
	if id, ok := identity(v); ok {
		if j.open[id] {
			return fmt.Errorf("%w: it contains itself, so it has no JSON form", ErrCircular)
		}
		j.open[id] = true
		defer delete(j.open, id)
	}
	v, err := lift(v)
	if err != nil {
		return err
	}
	if j.depth++; j.depth > MaxDepth {
		return fmt.Errorf("%w: over %d levels deep", ErrLimit, MaxDepth)
	}
	defer func() { j.depth-- }()
	if len(j.out) > MaxSize {
		return fmt.Errorf("%w: over %d bytes as JSON", ErrLimit, MaxSize)
	}
	switch v := v.(type) {
	case bool:
		j.out = strconv.AppendBool(j.out, v)
	case float64:
		if v-v != 0 { // NaN or an infinity
			j.out = append(j.out, "null"...)
		} else {
			j.out = appendNumber(j.out, v)
		}
	case string:
		j.out = appendString(j.out, v)
	case *big.Int:
		j.out = append(v.Append(append(j.out, '"'), 10), '"')
	case time.Time:
		j.out = appendString(j.out, isoDate(v))
	case []any:
		j.out = append(j.out, '[')
		for i, e := range v {
			if i > 0 {
				j.out = append(j.out, ',')
			}
			if err := j.write(e); err != nil {
				return err
			}
		}
		j.out = append(j.out, ']')
	case *Object:
		return j.object(v)
	case *Error:
		return j.object(v.Properties)
	case *Map, *Set, *RegExp, ArrayBuffer:
		j.out = append(j.out, "{}"...)
	case []byte:
		j.elements("Uint8Array", v)
	case *TypedArray:
		j.elements(v.Kind, v.Bytes)
	default: // null, undefined, an invalid Date
		j.out = append(j.out, "null"...)
	}
	return nil
}

func (j *jsonWriter) object(o *Object) error {
	j.out = append(j.out, '{')
	if o != nil {
		first := true
		for key, v := range o.All() {
			if v == Undefined {
				continue
			}
			if !first {
				j.out = append(j.out, ',')
			}
			first = false
			j.out = append(appendString(j.out, key), ':')
			if err := j.write(v); err != nil {
				return err
			}
		}
	}
	j.out = append(j.out, '}')
	return nil
}

// elements writes a typed array as JSON.stringify does: an object with the
// indexes as keys.
func (j *jsonWriter) elements(kind string, data []byte) {
	j.out = append(j.out, '{')
	if size := elementSize[kind]; size > 0 && kind != "DataView" {
		for i := 0; i+size <= len(data) && len(j.out) <= MaxSize; i += size {
			if i > 0 {
				j.out = append(j.out, ',')
			}
			j.out = append(strconv.AppendInt(append(j.out, '"'), int64(i/size), 10), `":`...)
			j.out = appendElement(j.out, kind, data[i:i+size])
		}
	}
	j.out = append(j.out, '}')
}

// isoDate is Date.prototype.toISOString.
func isoDate(t time.Time) string {
	t = t.UTC()
	if year := t.Year(); year < 0 || year > 9999 {
		return fmt.Sprintf("%+07d", year) + t.Format("-01-02T15:04:05.000Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
