package quickjs

import (
	"bytes"
	"slices"
	"testing"
)

func TestModuleIsThePinnedOne(t *testing.T) {
	if _, err := module(); err != nil {
		t.Fatal(err)
	}
	saved := qjsModule
	defer func() { qjsModule = saved }()
	qjsModule = append(slices.Clone(saved), 0)
	if _, err := module(); err == nil {
		t.Error("another binary was accepted")
	}
}

func TestLink(t *testing.T) {
	binary, err := module()
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(binary)
	mod, err := link(binary)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(binary, before) {
		t.Error("link changed its input")
	}
	again, err := link(binary)
	if err != nil || !bytes.Equal(mod.binary, again.binary) {
		t.Errorf("link is not deterministic: %v", err)
	}
	if sum := checksum(mod.binary); sum != linkedSHA256 {
		t.Errorf("link's output has changed: set linkedSHA256 to %s", sum)
	}
	if sum := checksum(mod.outline); sum != outlineSHA256 {
		t.Errorf("the outline has changed: set outlineSHA256 to %s", sum)
	}
	parsed, err := parseModule(mod.binary)
	if err != nil {
		t.Fatal(err)
	}
	if parsed.section(sectionCustom) != nil {
		t.Error("a custom section is left")
	}
	old, err := parseModule(binary)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(parsed.funcs), len(old.funcs)+2; got != want {
		t.Errorf("%d functions, want %d", got, want)
	}
	if !slices.Equal(parsed.funcs[:len(old.funcs)], old.funcs) {
		t.Error("a function's number or type has changed")
	}
}

func TestLinkRefusesOtherModules(t *testing.T) {
	binary, err := module()
	if err != nil {
		t.Fatal(err)
	}
	for name, input := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("not wasm at all"),
		"header":    wasmHeader,
		"truncated": binary[:len(binary)/2],
		"version 2": append([]byte{0, 'a', 's', 'm', 2, 0, 0, 0}, binary[8:]...),
	} {
		if _, err := link(input); err == nil {
			t.Errorf("%s: linked", name)
		}
	}
}

func FuzzLink(f *testing.F) {
	binary, err := module()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(binary[:4096])
	f.Add(wasmHeader)
	// A module as small as link takes for whole, but for its internals.
	f.Add(slices.Concat(wasmHeader,
		[]byte{1, 8, 1, 0x60, 4, 0x7f, 0x7e, 0x7f, 0x7f, 1, 0x7e},
		[]byte{2, 23, 1, 3, 'e', 'n', 'v', 15}, []byte("jsFunctionProxy"), []byte{0, 0},
		[]byte{3, 1, 0}, []byte{4, 4, 1, 0x70, 0, 1}))
	f.Fuzz(func(t *testing.T, input []byte) {
		before := bytes.Clone(input)
		mod, err := link(input)
		if !bytes.Equal(input, before) {
			t.Fatal("link changed its input")
		}
		if err != nil {
			return
		}
		for _, output := range [][]byte{mod.binary, mod.outline} {
			if _, err := parseModule(output); err != nil {
				t.Fatalf("link's output does not parse: %v", err)
			}
		}
	})
}
