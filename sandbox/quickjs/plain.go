package quickjs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Where JSObject, JSShape and JSShapeProperty keep what JSON reads, in the
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
	atomToJSON     = 0x92    // JS_ATOM_toJSON
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

// JSON returns what JSON.stringify makes of v, without running JavaScript, when
// it loses nothing of v: v is null, a boolean, a string, a number that JSON has, or
// an array or a plain object of such, without accessors, and nothing in it is
// shared. An object without a prototype counts as a plain one. A value that it
// does not understand is not plain. Of a text longer than most bytes it returns a
// part that is longer, too.
func (i *Instance) JSON(v Value, p Prototypes, most int) (text []byte, plain bool) {
	w := plainWalk{mem: i.linear.bytes, Prototypes: p, most: most, out: make([]byte, 0, 128)}
	w.atoms = w.load(i.rt + rtAtoms)
	plain = w.value(v, 0)
	return w.out, plain
}

// provePlain shows that JSON reads values right.
func (i *Instance) provePlain() error {
	p, err := i.Prototypes()
	if err != nil {
		return fmt.Errorf("quickjs: proving plain values: %w", err)
	}
	for source, want := range map[string]string{ // "" for what is not plain
		"['hello', 'prop', 'BULKHEAD', 1e300, 1e-7, 1e21, 123456.789e-10]":   `["hello","prop","BULKHEAD",1e+300,1e-7,1e+21,0.0000123456789]`,
		"({a: 1, b: [null, true, 'x', 1.5, {}], c: 0})":                      `{"a":1,"b":[null,true,"x",1.5,{}],"c":0}`,
		"(() => { const o = {a: 1, b: () => 1}; delete o.b; return o })()":   `{"a":1}`,
		"({get a() { return 1 }})":                                           "",
		"({a: -0})":                                                          "",
		"[undefined]":                                                        "",
		"(() => { const a = []; a[2] = 3; a[1] = 2; a[0] = 1; return a })()": "[1,2,3]",
		"[1, , 2]": "",
		"Object.defineProperty({a: 1}, 'b', {value: () => 1})": `{"a":1}`,
		"new Date()": "",
		"(() => { const o = {}; return [o, o] })()":                                                                 "",
		"({b: 1, 4294967294: 2, 7: 3, [Symbol('s')]: 4, 5: 6})":                                                     `{"5":6,"7":3,"4294967294":2,"b":1}`,
		`'\n\u0001\xe9\u20ac\ud83d\ude00\ud800'`:                                                                    `"\n\u0001é€😀\ud800"`,
		`['\xe9' + 'x'.repeat(9000).slice(1, 9000)][0].length`:                                                      "9000",
		`[('a\u0142bc'.repeat(3000)).slice(1, 9001).slice(8994), 'abcd'.repeat(9000).slice(2, 35996).slice(35990)]`: `["całbca","abcd"]`,
		"Object.prototype.toJSON = () => 1, {}":                                                                     "",
		"Array.prototype.toJSON = 1, []":                                                                            "",
	} {
		v, err := i.Eval(source, "<proof>", EvalScript)
		if err != nil {
			return fmt.Errorf("quickjs: proving plain values: %s: %w", source, err)
		}
		text, plain := i.JSON(v, p, 1<<10)
		if plain != (want != "") || plain && string(text) != want {
			return fmt.Errorf("quickjs: proving plain values: %s is read as %q", source, text)
		}
		if _, err := i.Eval("delete Object.prototype.toJSON, delete Array.prototype.toJSON", "<proof>", EvalScript); err != nil {
			return fmt.Errorf("quickjs: proving plain values: %w", err)
		}
	}
	return nil
}

// The most values and levels that JSON looks at.
const (
	maxPlainValues = 1 << 20
	maxPlainDepth  = 200
)

// plainWalk reads memory that tenant code may have written: nothing in it is
// taken for granted.
type plainWalk struct {
	Prototypes
	mem    []byte
	atoms  uint32 // where the addresses of their names are
	most   int
	out    []byte
	values int
	seen   []uint32
	more   map[uint32]bool // seen, once it is long

	objects, arrays bool // their prototypes have been found to be in order
}

func (w *plainWalk) load(at uint32) uint32 {
	if uint64(at)+4 > uint64(len(w.mem)) {
		return 0
	}
	return binary.LittleEndian.Uint32(w.mem[at:])
}

func (w *plainWalk) value64(at uint32) Value {
	if uint64(at)+8 > uint64(len(w.mem)) {
		return Undefined
	}
	return Value(binary.LittleEndian.Uint64(w.mem[at:]))
}

func (w *plainWalk) value(v Value, depth int) bool {
	switch tag := v.tag(); {
	case tag == tagObject:
		return w.object(uint32(v), depth)
	case tag == tagString:
		return w.text(uint32(v))
	case tag == tagInt:
		w.out = strconv.AppendInt(w.out, int64(int32(v)), 10)
	case tag == tagBool:
		w.out = strconv.AppendBool(w.out, uint32(v) != 0)
	case tag == tagNull:
		w.out = append(w.out, "null"...)
	default:
		f := math.Float64frombits(uint64(v) + floatBias)
		if !isFloat(tag) || math.IsNaN(f) || math.IsInf(f, 0) || f == 0 && math.Signbit(f) {
			return false
		}
		w.out = appendNumber(w.out, f)
	}
	return true
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
	p := properties{names: shape + shapeProps, values: w.load(at + objectProp), count: w.load(shape + shapeCount)}
	if uint64(shape)+shapeProps+8*uint64(p.count) > uint64(len(w.mem)) || uint64(p.values)+8*uint64(p.count) > uint64(len(w.mem)) {
		return false
	}
	switch proto := w.load(shape + shapeProto); {
	case head>>16 == classArray && proto == w.Array:
		w.objects = w.objects || w.harmless(w.Object, 0)
		w.arrays = w.arrays || w.harmless(w.Array, w.Object)
		// Its first property is its length.
		if p.count == 0 || !w.objects || !w.arrays {
			return false
		}
		n := w.load(at + arrayCount)
		if w.mem[at+objectFlags]&fastArray == 0 {
			return w.indexes(p, depth)
		}
		if w.value64(p.values) != Int(int32(n)) {
			return false
		}
		return w.list(w.load(at+arrayValues), n, depth)
	case head>>16 == classObject && (proto == w.Object || proto == 0):
		w.objects = w.objects || w.harmless(w.Object, 0)
		return (w.objects || proto == 0) && w.members(p, depth)
	}
	return false
}

// harmless tells whether a prototype leaves JSON as it is: it has no toJSON, and
// its own prototype is parent.
func (w *plainWalk) harmless(proto, parent uint32) bool {
	shape := w.load(proto + objectShape)
	count := w.load(shape + shapeCount)
	if uint64(shape)+shapeProps+8*uint64(count) > uint64(len(w.mem)) || w.load(shape+shapeProto) != parent || !w.spend(count) {
		return false
	}
	for k := range count {
		if w.load(shape+shapeProps+8*k+4) == atomToJSON {
			return false
		}
	}
	return true
}

// list writes the elements of a fast array.
func (w *plainWalk) list(values, n uint32, depth int) bool {
	if uint64(values)+8*uint64(n) > uint64(len(w.mem)) || !w.spend(n) {
		return false
	}
	w.out = append(w.out, '[')
	for k := range n {
		if k > 0 {
			w.out = append(w.out, ',')
		}
		if !w.value(w.value64(values+8*k), depth+1) {
			return false
		}
		if len(w.out) > w.most {
			break
		}
	}
	w.out = append(w.out, ']')
	return true
}

// properties are where an object's are: JSShapeProperty of their names, and the
// values.
type properties struct{ names, values, count uint32 }

// member is a property whose name is a number.
type member struct{ index, at uint32 }

// numbered returns the properties whose names are numbers, in their order.
func (w *plainWalk) numbered(p properties) (list []member, ok bool) {
	for k := range p.count {
		flags, atom := w.load(p.names+8*k)>>propFlags, w.load(p.names+8*k+4)
		if index, is := w.index(atom); is && flags&propEnumerable != 0 {
			if flags&propSpecial != 0 {
				return nil, false
			}
			list = append(list, member{index, p.values + 8*k})
		}
	}
	slices.SortFunc(list, func(a, b member) int { return cmp.Compare(a.index, b.index) })
	return list, true
}

// indexes writes an array whose elements are among its properties, as they are
// when they were not set in order.
func (w *plainWalk) indexes(p properties, depth int) bool {
	length := w.value64(p.values)
	if length.tag() != tagInt || !w.spend(p.count) {
		return false
	}
	list, ok := w.numbered(p)
	if !ok || uint32(len(list)) != uint32(length) {
		return false
	}
	w.out = append(w.out, '[')
	for k, m := range list {
		if k > 0 {
			w.out = append(w.out, ',')
		}
		if m.index != uint32(k) || !w.value(w.value64(m.at), depth+1) {
			return false
		}
		if len(w.out) > w.most {
			break
		}
	}
	w.out = append(w.out, ']')
	return true
}

// members writes an object: first the properties whose names are numbers.
func (w *plainWalk) members(p properties, depth int) bool {
	if !w.spend(p.count) {
		return false
	}
	w.out = append(w.out, '{')
	begin := len(w.out)
	list, ok := w.numbered(p)
	for n := 0; n < len(list) && len(w.out) <= w.most; n++ {
		m := list[n]
		w.out = append(strconv.AppendUint(append(w.out, '"'), uint64(m.index), 10), `":`...)
		if !w.value(w.value64(m.at), depth+1) {
			return false
		}
		w.out = append(w.out, ',')
	}
	for k := uint32(0); ok && k < p.count && len(w.out) <= w.most; k++ {
		flags, atom := w.load(p.names+8*k)>>propFlags, w.load(p.names+8*k+4)
		if atom == 0 || flags&propEnumerable == 0 {
			continue // deleted, or does not cross
		}
		name := w.load(w.atoms + 4*atom)
		if _, is := w.index(atom); is || w.load(name+stringHash)>>stringAtom != atomString {
			continue // written, or a symbol
		}
		ok = flags&propSpecial == 0 && w.text(name)
		w.out = append(w.out, ':')
		ok = ok && w.value(w.value64(p.values+8*k), depth+1)
		w.out = append(w.out, ',')
	}
	if len(w.out) > begin {
		w.out = w.out[:len(w.out)-1]
	}
	w.out = append(w.out, '}')
	return ok
}

// index returns the number that an atom is, if it counts as one: those of over 31
// bits are texts.
func (w *plainWalk) index(atom uint32) (uint32, bool) {
	if atom&atomIndex != 0 {
		return atom &^ atomIndex, true
	}
	const digits = len("4294967294")
	name := w.load(w.atoms + 4*atom)
	if w.load(name+stringLength) != uint32(digits) || uint64(name)+stringData+uint64(digits) > uint64(len(w.mem)) {
		return 0, false
	}
	text := w.mem[name+stringData:][:digits]
	n, err := strconv.ParseUint(string(text), 10, 32)
	return uint32(n), err == nil && n < math.MaxUint32 && text[0] != '0'
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
