package quickjs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/tetratelabs/wazero"
)

// The two outputs of link for the binary named by moduleSHA256. They change
// with every change to link, and so does what is cached.
const (
	linkedSHA256 = "f114b8d12df8221b7677b5eb8897bc569a8c246939c0360def8a74278a363f86"

	outlineSHA256 = "498b28fd5365d8565c372270dd140c7894fb2e01d979a728c9a4198aaec93b4a"
)

// A compile cache holds wazero's machine code for the linked binary, filed
// under another binary: its outline, in which every function body is a trap.
//
// With a warm cache wazero still decodes and validates all function bodies at
// every start, some 0.9 MB of them, and keeps them, although only the machine
// code is used. The outline agrees with the linked binary in everything but
// the bodies, so the machine code fits it, and nothing is left to validate.
// Were the code not the right one, Engine.prove would find out: all it can run
// then are traps.
const outlineName = "quickjs-" + linkedSHA256 + ".wasm"

// readCache returns the outline in dir, or nil when there is none, or another.
func readCache(dir string) []byte {
	if dir == "" {
		return nil
	}
	outline, err := os.ReadFile(filepath.Join(dir, outlineName))
	if err != nil || checksum(outline) != outlineSHA256 {
		return nil
	}
	return outline
}

// fillCache compiles the linked binary into dir. Processes may do it at the
// same time: each puts the same files there, whole.
func fillCache(ctx context.Context, dir string, config wazero.RuntimeConfig, mod linked) (outline []byte, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("quickjs: the compile cache: %w", err)
	}
	scratch, err := os.MkdirTemp(dir, "fill-")
	if err != nil {
		return nil, fmt.Errorf("quickjs: the compile cache: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	bare, _, err := splitData(mod.binary)
	if err != nil {
		return nil, err
	}
	bareOutline, _, err := splitData(mod.outline)
	if err != nil {
		return nil, err
	}
	code, err := compileInto(ctx, filepath.Join(scratch, "code"), config, bare)
	if err != nil {
		return nil, err
	}
	place, err := compileInto(ctx, filepath.Join(scratch, "place"), config, bareOutline)
	if err != nil {
		return nil, err
	}
	relative, err := filepath.Rel(filepath.Join(scratch, "place"), place)
	if err != nil {
		return nil, err
	}
	target := filepath.Join(dir, relative)
	marker := filepath.Join(scratch, "outline")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(target), 0o700),
		os.Rename(code, target),
		os.WriteFile(marker, mod.outline, 0o600),
		os.Rename(marker, filepath.Join(dir, outlineName)),
	); err != nil {
		return nil, fmt.Errorf("quickjs: the compile cache: %w", err)
	}
	return mod.outline, nil
}

// compileInto compiles a binary with a cache of its own and returns the one
// file that wazero keeps it in.
func compileInto(ctx context.Context, dir string, config wazero.RuntimeConfig, binary []byte) (string, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return "", fmt.Errorf("quickjs: the compile cache: %w", err)
	}
	r := wazero.NewRuntimeWithConfig(ctx, config.WithCompilationCache(cache))
	_, err = r.CompileModule(ctx, binary)
	if err := errors.Join(err, r.Close(ctx), cache.Close(ctx)); err != nil {
		return "", fmt.Errorf("quickjs: compiling: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("quickjs: the compile cache has %d files, want 1 (%v)", len(files), err)
	}
	return files[0], nil
}

// outlineBody is unreachable; end. It has every type.
var outlineBody = []byte{3, 0, 0x00, opEnd}

// outlineOf is the linked module with every function body a trap.
func (m *wasmModule) outlineOf() ([]byte, error) {
	code := m.section(sectionCode)
	if code == nil {
		return nil, errors.New("no code")
	}
	saved := *code
	defer func() { *code = saved }()
	n := uint32(len(m.funcs)) - m.imports + hooks
	*code = section{id: sectionCode, head: leb(n), body: slices.Repeat(outlineBody, int(n))}
	return m.encode(), nil
}

func checksum(binary []byte) string {
	sum := sha256.Sum256(binary)
	return hex.EncodeToString(sum[:])
}
