package value

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"time"
	"unicode/utf8"
)

// The major types of RFC 8949.
const (
	majorUint = iota << 5
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

// ToCBOR returns the CBOR form of a value, which loses nothing. The error
// wraps [ErrLimit] for a value that is more than 256 levels deep or too large,
// and [ErrMalformed] for what is no wire form.
func ToCBOR(w Wire) ([]byte, error) {
	v, err := Decode(w)
	if err != nil {
		return nil, err
	}
	c := &cborWriter{seen: make(map[any]bool), number: make(map[any]int)}
	if err := c.count(v, 0); err != nil {
		return nil, err
	}
	if err := c.write(v); err != nil {
		return nil, err
	}
	return c.out, nil
}

type cborWriter struct {
	out    []byte
	seen   map[any]bool // whether more than once
	number map[any]int  // of what is shared and has been written
	depth  int
}

// count finds out what is shared.
func (c *cborWriter) count(v any, depth int) error {
	if depth > maxCBORDepth {
		return errCBORDepth
	}
	id, ok := identity(v)
	if !ok {
		return nil
	}
	if _, again := c.seen[id]; again {
		c.seen[id] = true
		return nil
	}
	c.seen[id] = false
	var inner []any
	switch v := v.(type) {
	case []any:
		inner = v
	case *Set:
		inner = v.Values
	case *Object:
		inner = v.list()
	case *Map:
		for _, e := range v.Entries {
			inner = append(inner, e.Key, e.Value)
		}
	case *Error:
		inner = append(inner, v.Cause)
		if v.Errors != nil {
			inner = append(inner, v.Errors)
		}
		if v.Properties != nil {
			inner = append(inner, v.Properties.list()...)
		}
	}
	for _, child := range inner {
		if err := c.count(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (o *Object) list() []any {
	values := make([]any, 0, o.Len())
	for _, v := range o.All() {
		values = append(values, v)
	}
	return values
}

var errCBORDepth = fmt.Errorf("%w: over %d levels deep", ErrLimit, maxCBORDepth)

func (c *cborWriter) head(major byte, n uint64) {
	switch {
	case n < 24:
		c.out = append(c.out, major|byte(n))
	case n <= math.MaxUint8:
		c.out = append(c.out, major|24, byte(n))
	case n <= math.MaxUint16:
		c.out = binary.BigEndian.AppendUint16(append(c.out, major|25), uint16(n))
	case n <= math.MaxUint32:
		c.out = binary.BigEndian.AppendUint32(append(c.out, major|26), uint32(n))
	default:
		c.out = binary.BigEndian.AppendUint64(append(c.out, major|27), n)
	}
}

const (
	cborNull      = majorSimple | 22
	cborUndefined = majorSimple | 23
)

// write writes a value; c.depth counts the arrays, maps and tags around it.
func (c *cborWriter) write(v any) error {
	before := c.depth
	defer func() { c.depth = before }()
	if id, ok := identity(v); ok && c.seen[id] {
		if n, written := c.number[id]; written {
			c.head(majorTag, tagReference)
			c.head(majorUint, uint64(n))
			return nil
		}
		c.number[id] = len(c.number)
		c.tag(tagShareable)
	}
	if c.depth++; c.depth > maxCBORDepth {
		return errCBORDepth
	}
	if len(c.out) > MaxSize {
		return fmt.Errorf("%w: over %d bytes as CBOR", ErrLimit, MaxSize)
	}
	switch v := v.(type) {
	case nil:
		c.out = append(c.out, cborNull)
	case undefined:
		c.out = append(c.out, cborUndefined)
	case bool:
		if v {
			c.out = append(c.out, majorSimple|21)
		} else {
			c.out = append(c.out, majorSimple|20)
		}
	case float64:
		c.float(v)
	case string:
		c.text(v)
	case *big.Int:
		tag, n := uint64(tagPositiveBig), v
		if v.Sign() < 0 {
			tag, n = tagNegativeBig, new(big.Int).Not(v)
		}
		c.tag(tag)
		c.bytes(n.Bytes())
	case time.Time:
		c.tag(tagEpoch)
		c.float(float64(v.UnixMilli()) / 1000)
	case invalidDate:
		c.tag(tagEpoch)
		c.float(math.NaN())
	case []byte:
		c.bytes(v)
	case ArrayBuffer:
		c.ours("ArrayBuffer", 1)
		c.bytes(v)
	case *TypedArray:
		if v.Kind == "DataView" {
			c.ours("DataView", 1)
		} else {
			c.tag(arrayTags[v.Kind][0])
		}
		c.bytes(v.Bytes)
	case []any:
		return c.array(v)
	case *Set:
		c.tag(tagSet)
		return c.array(v.Values)
	case *Map:
		c.tag(tagMap)
		c.head(majorMap, uint64(len(v.Entries)))
		for _, e := range v.Entries {
			if err := c.write(e.Key); err != nil {
				return err
			}
			if err := c.write(e.Value); err != nil {
				return err
			}
		}
	case *Object:
		return c.object(v)
	case *RegExp:
		c.tag(tagRegExp)
		if v.LastIndex == 0 {
			return c.array([]any{v.Source, v.Flags})
		}
		return c.array([]any{v.Source, v.Flags, v.LastIndex})
	case *Error:
		return c.error(v)
	}
	return nil
}

func (c *cborWriter) tag(n uint64) {
	c.head(majorTag, n)
	c.depth++
}

func (c *cborWriter) ours(kind string, more int) {
	c.tag(tagJS)
	c.head(majorArray, uint64(1+more))
	c.depth++
	c.text(kind)
}

func (c *cborWriter) bytes(b []byte) {
	c.head(majorBytes, uint64(len(b)))
	c.out = append(c.out, b...)
}

func (c *cborWriter) text(s string) {
	if !utf8.ValidString(s) {
		c.head(majorTag, tagWTF8)
		c.bytes([]byte(s))
		return
	}
	c.head(majorText, uint64(len(s)))
	c.out = append(c.out, s...)
}

// maxSafe is the largest integer up to which every one is a float64.
const maxSafe = 1<<53 - 1

// float writes whole numbers as integers.
func (c *cborWriter) float(f float64) {
	switch {
	case f == math.Trunc(f) && math.Abs(f) <= maxSafe && isPlainNumber(f):
		if f < 0 {
			c.head(majorNegative, uint64(-1-int64(f)))
		} else {
			c.head(majorUint, uint64(f))
		}
	case math.IsNaN(f):
		c.out = append(c.out, majorSimple|25, 0x7e, 0)
	default:
		c.out = binary.BigEndian.AppendUint64(append(c.out, majorSimple|27), math.Float64bits(f))
	}
}

func (c *cborWriter) array(list []any) error {
	c.head(majorArray, uint64(len(list)))
	for _, v := range list {
		if err := c.write(v); err != nil {
			return err
		}
	}
	return nil
}

func (c *cborWriter) object(o *Object) error {
	c.head(majorMap, uint64(o.Len()))
	for key, v := range o.All() {
		c.text(key)
		if err := c.write(v); err != nil {
			return err
		}
	}
	return nil
}

func (c *cborWriter) error(e *Error) error {
	c.ours("Error", 6)
	c.text(e.Name)
	c.text(e.Message)
	c.text(e.Stack)
	for _, v := range []any{e.Cause, e.Errors, e.Properties} {
		switch inner := v.(type) {
		case nil:
			v = Undefined
		case []any:
			if inner == nil {
				v = Undefined
			}
		case *Object:
			if inner == nil {
				v = Undefined
			}
		}
		if err := c.write(v); err != nil {
			return err
		}
	}
	return nil
}
