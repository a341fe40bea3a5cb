package quickjs

import (
	"bytes"
	"errors"
	"fmt"
)

var wasmHeader = []byte{0, 'a', 's', 'm', 1, 0, 0, 0}

const sectionImport = 2

var errTruncated = errors.New("truncated")

// reader takes numbers and bytes from the front of b; after the first error
// it only returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errTruncated)
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)) {
		r.fail(errTruncated)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.fail(errors.New("number too large"))
	return 0
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// parseModule splits a binary into sections and reads of them what link needs.
func parseModule(binary []byte) (*wasmModule, error) {
	if !bytes.HasPrefix(binary, wasmHeader) {
		return nil, errors.New("not a wasm binary of version 1")
	}
	r := reader{b: binary[len(wasmHeader):]}
	m := &wasmModule{size: len(binary)}
	for len(r.b) > 0 {
		id := r.byte()
		m.sections = append(m.sections, section{id: id, body: r.bytes(r.u32())})
	}
	if r.err != nil {
		return nil, r.err
	}
	for _, step := range []struct {
		id   byte
		read func(*wasmModule, *reader)
	}{
		{sectionType, readTypes}, {sectionImport, readImports}, {sectionFunction, readFunctions},
	} {
		s := m.section(step.id)
		if s == nil {
			return nil, fmt.Errorf("section %d is missing", step.id)
		}
		sr := reader{b: s.body}
		step.read(m, &sr)
		if sr.err != nil {
			return nil, fmt.Errorf("section %d: %w", step.id, sr.err)
		}
	}
	for _, t := range m.funcs {
		if t >= uint32(len(m.types)) {
			return nil, errors.New("function of unknown type")
		}
	}
	if m.host >= m.imports {
		return nil, errors.New("no import env.jsFunctionProxy")
	}
	return m, nil
}

func readTypes(m *wasmModule, r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if r.byte() != 0x60 {
			r.fail(errors.New("not a function type"))
			return
		}
		sig := valueTypes(r) + ":" + valueTypes(r)
		m.types = append(m.types, sig)
	}
}

func valueTypes(r *reader) string {
	var b []byte
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		switch r.byte() {
		case 0x7f:
			b = append(b, 'i')
		case 0x7e:
			b = append(b, 'I')
		case 0x7d:
			b = append(b, 'f')
		case 0x7c:
			b = append(b, 'F')
		default:
			b = append(b, '?')
		}
	}
	return string(b)
}

func readImports(m *wasmModule, r *reader) {
	m.host = ^uint32(0)
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		mod, name := r.name(), r.name()
		if kind := r.byte(); kind != kindFunc {
			r.fail(fmt.Errorf("import %s.%s is not a function", mod, name))
			return
		}
		if mod == "env" && name == "jsFunctionProxy" {
			m.host = m.imports
		}
		m.imports++
		m.funcs = append(m.funcs, r.u32())
	}
}

func readFunctions(m *wasmModule, r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		m.funcs = append(m.funcs, r.u32())
	}
}
