package quickjs

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Where JSObject, JSShape and JSShapeProperty keep what Plain reads, in the
// binary named by moduleSHA256. Engine.prove shows that they are right.
const (
	objectFlags    = 5 // JSObject's bits; fastArray is one
	objectShape    = 16
	objectProp     = 20
	arrayValues    = 36 // JSObject.u.array
	arrayCount     = 40
	shapeCount     = 32 // the properties, deleted ones included
	shapeProto     = 44
	shapeProps     = 48 // JSShapeProperty: 26 bits of hash, 6 of flags, the atom
	fastArray      = 8
	classObject    = 1
	classArray     = 2
	propFlags      = 26
	propEnumerable = 4
	atomIndex      = 1 << 31 // an atom that is a number
	propSpecial    = 0x30    // an accessor, or a value that is elsewhere

	tagFirst = -9
	tagFloat = 8 // and every tag that is not from tagFirst to before this
)

// Class returns an object's class, a number of the engine's own: unlike what
// JavaScript can see of an object it cannot be forged by it. For what is no
// object it returns 0.
func (i *Instance) Class(v Value) int32 {
	if !v.IsObject() {
		return 0
	}
	head, err := i.load32(uint32(v) + objectClass - 2)
	if err != nil {
		return 0
	}
	return int32(head >> 16)
}

// Prototypes are those of plain objects and arrays: addresses that hold in
// every instance restored from the snapshot in which they were looked up.
type Prototypes struct{ Object, Array uint32 }

// Prototypes looks them up.
func (i *Instance) Prototypes() (p Prototypes, err error) {
	list, err := i.ParseJSON([]byte("[{}]"))
	if err != nil {
		return p, err
	}
	if p.Array, err = i.prototype(list); err != nil {
		return p, err
	}
	object, err := i.Get(list, "0")
	if err != nil {
		return p, err
	}
	if p.Object, err = i.prototype(object); err != nil {
		return p, err
	}
	if err := i.Free(object); err != nil {
		return p, err
	}
	return p, i.Free(list)
}

func (i *Instance) prototype(v Value) (uint32, error) {
	shape, err := i.load32(uint32(v) + objectShape)
	if err != nil {
		return 0, err
	}
	return i.load32(shape + shapeProto)
}

// Plain tells whether JSON.stringify loses nothing of v: it is null, a
// boolean, a string, a number that JSON has, or an array or a plain object of
// such, without accessors, and nothing in it is shared. An object without a
// prototype counts as a plain one. It runs no JavaScript and changes nothing.
// A value that it does not understand is not plain.
func (i *Instance) Plain(v Value, p Prototypes) bool {
	w := plainWalk{mem: i.linear.bytes, Prototypes: p}
	return w.value(v, 0)
}

// provePlain shows that Plain reads objects right.
func (i *Instance) provePlain() error {
	p, err := i.Prototypes()
	if err != nil {
		return fmt.Errorf("quickjs: proving plain values: %w", err)
	}
	for source, want := range map[string]bool{
		"({a: 1, b: [null, true, 'x', 1.5, {}], c: 0})":                    true,
		"(() => { const o = {a: 1, b: () => 1}; delete o.b; return o })()": true,
		"({get a() { return 1 }})":                                         false,
		"({a: -0})":                                                        false,
		"[undefined]":                                                      false,
		"(() => { const a = []; a[2] = 3; a[1] = 2; a[0] = 1; return a })()": true,
		"[1, , 2]": false,
		"Object.defineProperty({a: 1}, 'b', {value: () => 1})": true,
		"new Date()": false,
		"(() => { const o = {}; return [o, o] })()": false,
	} {
		v, err := i.Eval(source, "<proof>", EvalScript)
		if err != nil {
			return fmt.Errorf("quickjs: proving plain values: %w", err)
		}
		if i.Plain(v, p) != want {
			return fmt.Errorf("quickjs: proving plain values: %s is read wrong", source)
		}
	}
	return nil
}

// The most values and levels that Plain looks at.
const (
	maxPlainValues = 1 << 20
	maxPlainDepth  = 200
)

// plainWalk reads memory that tenant code may have written: nothing in it is
// taken for granted.
type plainWalk struct {
	Prototypes
	mem    []byte
	values int
	seen   []uint32
	more   map[uint32]bool // seen, once it is long
}

func (w *plainWalk) load(at uint32) uint32 {
	if uint64(at)+4 > uint64(len(w.mem)) {
		return 0
	}
	return binary.LittleEndian.Uint32(w.mem[at:])
}

func (w *plainWalk) value(v Value, depth int) bool {
	switch tag := v.tag(); tag {
	case tagString, tagInt, tagBool, tagNull:
		return true
	case tagObject:
		return w.object(uint32(v), depth)
	default:
		f := math.Float64frombits(uint64(v) + floatBias)
		return isFloat(tag) && !math.IsNaN(f) && !math.IsInf(f, 0) && !(f == 0 && math.Signbit(f))
	}
}

// isFloat tells whether a tag is the upper half of a float: see Float.
func isFloat(tag int32) bool { return uint32(tag-tagFirst) >= tagFloat-tagFirst }

func (w *plainWalk) object(at uint32, depth int) bool {
	if uint64(at)+arrayCount+4 > uint64(len(w.mem)) || depth > maxPlainDepth {
		return false
	}
	head := w.load(at + objectClass - 2)
	shape := w.load(at + objectShape)
	if w.load(at) != 1 && !w.first(at) {
		return false
	}
	count, prop := w.load(shape+shapeCount), w.load(at+objectProp)
	if uint64(shape)+shapeProps+8*uint64(count) > uint64(len(w.mem)) || uint64(prop)+8*uint64(count) > uint64(len(w.mem)) {
		return false
	}
	switch proto := w.load(shape + shapeProto); {
	case head>>16 == classArray && proto == w.Array:
		n := w.load(at + arrayCount)
		// Its first property is its length.
		if count == 0 {
			return false
		}
		if w.mem[at+objectFlags]&fastArray == 0 {
			return w.indexes(shape+shapeProps, prop, count, depth)
		}
		if w.value64(prop) != Int(int32(n)) {
			return false
		}
		return w.list(w.load(at+arrayValues), n, depth)
	case head>>16 == classObject && (proto == w.Object || proto == 0):
		return w.properties(shape+shapeProps, prop, count, depth)
	}
	return false
}

func (w *plainWalk) value64(at uint32) Value {
	if uint64(at)+8 > uint64(len(w.mem)) {
		return Undefined
	}
	return Value(binary.LittleEndian.Uint64(w.mem[at:]))
}

func (w *plainWalk) list(values, n uint32, depth int) bool {
	if uint64(values)+8*uint64(n) > uint64(len(w.mem)) || !w.spend(n) {
		return false
	}
	for k := range n {
		if !w.value(w.value64(values+8*k), depth+1) {
			return false
		}
	}
	return true
}

// indexes looks at an array whose elements are among its properties, as they
// are when they were not set in order.
func (w *plainWalk) indexes(names, values, n uint32, depth int) bool {
	length := uint32(w.value64(values))
	if w.value64(values).tag() != tagInt || !w.spend(n) {
		return false
	}
	found := uint32(0)
	for k := uint32(1); k < n; k++ {
		flags, atom := w.load(names+8*k)>>propFlags, w.load(names+8*k+4)
		if atom&atomIndex == 0 {
			continue // deleted, or does not cross
		}
		if flags&propSpecial != 0 || atom&^atomIndex >= length || !w.value(w.value64(values+8*k), depth+1) {
			return false
		}
		found++
	}
	return found == length
}

func (w *plainWalk) properties(names, values, n uint32, depth int) bool {
	if !w.spend(n) {
		return false
	}
	for k := range n {
		flags, atom := w.load(names+8*k)>>propFlags, w.load(names+8*k+4)
		if atom == 0 || flags&propEnumerable == 0 {
			continue // deleted, or does not cross
		}
		if flags&propSpecial != 0 || !w.value(w.value64(values+8*k), depth+1) {
			return false
		}
	}
	return true
}

func (w *plainWalk) spend(n uint32) bool {
	w.values += int(n)
	return w.values <= maxPlainValues
}

// first tells whether this object, to which there is more than one reference,
// is met for the first time.
func (w *plainWalk) first(at uint32) bool {
	const short = 16
	if w.more == nil {
		for _, s := range w.seen {
			if s == at {
				return false
			}
		}
		if len(w.seen) < short {
			w.seen = append(w.seen, at)
			return true
		}
		w.more = make(map[uint32]bool)
		for _, s := range w.seen {
			w.more[s] = true
		}
	}
	if w.more[at] {
		return false
	}
	w.more[at] = true
	return true
}
