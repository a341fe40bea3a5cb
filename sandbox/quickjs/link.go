package quickjs

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Sections of a wasm binary (WebAssembly Core Specification 2.0, 5.5.2).
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionFunction = 3
	sectionTable    = 4
	sectionExport   = 7
	sectionElement  = 9
	sectionCode     = 10
)

// The slots that Link appends to the function table, counted from its end.
const (
	slotInterrupt = iota
	slotRejection
	slotHost
	slots
)

// What argc says when a hook, and not JavaScript, calls the host import: C
// never passes a negative argc.
const (
	argcInterrupt = -1
	argcRejection = -2
)

// internals are the functions that Link exports beside those the binary
// exports already: their length-taking, allocation-free originals. The numbers
// hold for the binary named by moduleSHA256, and the signatures are checked.
var internals = []struct {
	name  string
	index uint32
	sig   string
}{
	{"JS_NewContext", 285, "i:i"},
	{"JS_Eval", 493, "iiiii:I"},
	{"JS_EvalFunction", 488, "iI:I"},
	{"JS_ResolveModule", 494, "iI:i"},
	{"JS_GetModuleNamespace", 484, "ii:I"},
	{"JS_ExecutePendingJob", 279, "ii:i"},
	{"JS_NewStringLen", 348, "iii:I"},
	{"JS_ToCStringLen2", 357, "iiIi:i"},
	{"JS_ParseJSON", 519, "iiii:I"},
	{"JS_WriteObject", 497, "iiIi:i"},
	{"JS_ReadObject", 504, "iiii:I"},
	{"JS_Call", 451, "iIIii:I"},
	{"JS_NewCFunction", 368, "iiiii:I"},
}

// linked is what link made: the binary, and its outline (see cache.go).
type linked struct {
	binary, outline []byte
}

// tableBase is where the function table of the binary ends: the index of
// slotInterrupt in the linked one. The other slots follow.
const tableBase = 542

// hooks is how many functions link adds.
const hooks = 2

// link rewrites the QuickJS binary. It drops the custom sections (debug data
// that wazero would re-read at every start), exports the stack pointer and the
// internals, and appends two hooks to the function table, whose bodies call
// the host import, and the host import itself. No index is shifted and no
// function is rewritten.
func link(binary []byte) (linked, error) {
	m, err := parseModule(binary)
	if err != nil {
		return linked{}, fmt.Errorf("quickjs: linking: %w", err)
	}
	out, err := m.link()
	if err != nil {
		return linked{}, fmt.Errorf("quickjs: linking: %w", err)
	}
	return out, nil
}

// section is one section; what link adds stands before and behind the body,
// which is not copied until the end.
type section struct {
	id               byte
	head, body, tail []byte
}

type wasmModule struct {
	size     int // of the binary
	sections []section
	types    []string // "ii:I": i is i32, I is i64, f and F are floats
	imports  uint32   // imported functions
	host     uint32   // function index of env.jsFunctionProxy
	funcs    []uint32 // type index of every function, imports first
}

func (m *wasmModule) section(id byte) *section {
	for i := range m.sections {
		if m.sections[i].id == id {
			return &m.sections[i]
		}
	}
	return nil
}

func (m *wasmModule) typeIndex(sig string) (uint32, error) {
	i := slices.Index(m.types, sig)
	if i < 0 {
		return 0, fmt.Errorf("no function type %s", sig)
	}
	return uint32(i), nil
}

func (m *wasmModule) link() (linked, error) {
	if t := m.types[m.funcs[m.host]]; t != "iIii:I" {
		return linked{}, fmt.Errorf("the host import has type %s", t)
	}
	hookType, err := m.typeIndex("ii:i")
	if err != nil {
		return linked{}, err
	}
	trackerType, err := m.typeIndex("iIIii:")
	if err != nil {
		return linked{}, err
	}
	hook := uint32(len(m.funcs))
	if err := m.growTable(slots); err != nil {
		return linked{}, err
	}

	exports := []export{{"__stack_pointer", kindGlobal, 0}}
	for _, f := range internals {
		if f.index >= uint32(len(m.funcs)) || m.types[m.funcs[f.index]] != f.sig {
			return linked{}, fmt.Errorf("function %d is not %s", f.index, f.name)
		}
		exports = append(exports, export{f.name, kindFunc, f.index})
	}

	edits := []struct {
		id    byte
		add   uint32
		items []byte
	}{
		{sectionFunction, hooks, slices.Concat(leb(hookType), leb(trackerType))},
		{sectionExport, uint32(len(exports)), encodeExports(exports)},
		{sectionElement, 1, elementSegment(tableBase, hook, hook+1, m.host)},
		{sectionCode, hooks, slices.Concat(interruptHook(m.host), rejectionHook(m.host))},
	}
	for _, e := range edits {
		if err := m.extend(e.id, e.add, e.items); err != nil {
			return linked{}, err
		}
	}

	outline, err := m.outlineOf()
	if err != nil {
		return linked{}, err
	}
	return linked{binary: m.encode(), outline: outline}, nil
}

// encode writes the module without its custom sections.
func (m *wasmModule) encode() []byte {
	binary := make([]byte, 0, m.size+16<<10)
	binary = append(binary, wasmHeader...)
	for _, s := range m.sections {
		if s.id == sectionCustom {
			continue
		}
		binary = append(binary, s.id)
		binary = append(binary, leb(uint32(len(s.head)+len(s.body)+len(s.tail)))...)
		binary = append(binary, s.head...)
		binary = append(binary, s.body...)
		binary = append(binary, s.tail...)
	}
	return binary
}

// extend appends items to a section that is a counted vector.
func (m *wasmModule) extend(id byte, add uint32, items []byte) error {
	s := m.section(id)
	if s == nil {
		return fmt.Errorf("section %d is missing", id)
	}
	r := reader{b: s.body}
	n := r.u32()
	if r.err != nil || n > math.MaxUint32-add {
		return fmt.Errorf("section %d: bad count", id)
	}
	s.head, s.body, s.tail = leb(n+add), r.b, items
	return nil
}

// growTable makes the one function table, of tableBase entries, larger by n.
func (m *wasmModule) growTable(n uint32) error {
	s := m.section(sectionTable)
	if s == nil {
		return errors.New("no table")
	}
	r := reader{b: s.body}
	tables, elem, flags, minimum := r.u32(), r.byte(), r.byte(), r.u32()
	limit := minimum
	if flags == 1 {
		limit = r.u32()
	}
	if r.err != nil || tables != 1 || elem != 0x70 || flags > 1 || len(r.b) != 0 || minimum != tableBase || limit != tableBase {
		return errors.New("the function table is not as expected")
	}
	s.body = slices.Concat([]byte{1, elem, 1}, leb(minimum+n), leb(limit+n))
	return nil
}

// Instructions (WebAssembly Core Specification 2.0, 5.4).
const (
	opEnd      = 0x0b
	opCall     = 0x10
	opDrop     = 0x1a
	opLocalGet = 0x20
	opI32Const = 0x41
	opI64Const = 0x42
	opI32Or    = 0x72
	opI32Wrap  = 0xa7
)

// interruptHook is a JSInterruptHandler: int (JSRuntime *rt, void *opaque). It
// asks the host, and returns what the host says: not 0 stops the script.
func interruptHook(host uint32) []byte {
	return body(
		[]byte{opLocalGet, 0, opI64Const, 0, opI32Const}, sleb(argcInterrupt),
		[]byte{opI32Const, 0, opCall}, leb(host), []byte{opI32Wrap})
}

// rejectionHook is a JSHostPromiseRejectionTracker: void (JSContext *ctx,
// JSValue promise, JSValue reason, bool handled, void *opaque). The host gets
// the reason as this, and the promise's address with the flag in its lowest
// bit as argv: objects are aligned to 8 bytes.
func rejectionHook(host uint32) []byte {
	return body(
		[]byte{opLocalGet, 0, opLocalGet, 2, opI32Const}, sleb(argcRejection),
		[]byte{opLocalGet, 1, opI32Wrap, opLocalGet, 3, opI32Or, opCall}, leb(host), []byte{opDrop})
}

func body(parts ...[]byte) []byte {
	code := slices.Concat([]byte{0}, slices.Concat(parts...), []byte{opEnd}) // 0 locals
	return slices.Concat(leb(uint32(len(code))), code)
}

func elementSegment(offset uint32, funcs ...uint32) []byte {
	b := slices.Concat([]byte{0, opI32Const}, sleb(int32(offset)), []byte{opEnd}, leb(uint32(len(funcs))))
	for _, f := range funcs {
		b = append(b, leb(f)...)
	}
	return b
}

const (
	kindFunc   = 0
	kindGlobal = 3
)

type export struct {
	name  string
	kind  byte
	index uint32
}

func encodeExports(exports []export) []byte {
	var b []byte
	for _, e := range exports {
		b = slices.Concat(b, leb(uint32(len(e.name))), []byte(e.name), []byte{e.kind}, leb(e.index))
	}
	return b
}

// leb encodes an unsigned LEB128 number.
func leb(v uint32) []byte {
	var b []byte
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// sleb encodes a signed LEB128 number.
func sleb(v int32) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
