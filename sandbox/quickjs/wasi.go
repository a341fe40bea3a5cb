package quickjs

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// wasiErrnoInval is EINVAL of WASI snapshot preview 1.
const wasiErrnoInval = 28

// wasiTraps are the WASI imports that end the instance when called: nothing
// that JavaScript can legitimately do reaches them.
var wasiTraps = map[string][]api.ValueType{
	"args_get":                {i32, i32},
	"args_sizes_get":          {i32, i32},
	"environ_get":             {i32, i32},
	"environ_sizes_get":       {i32, i32},
	"fd_close":                {i32},
	"fd_fdstat_get":           {i32, i32},
	"fd_fdstat_set_flags":     {i32, i32},
	"fd_prestat_get":          {i32, i32},
	"fd_prestat_dir_name":     {i32, i32, i32},
	"fd_read":                 {i32, i32, i32, i32},
	"fd_readdir":              {i32, i32, i32, i64, i32},
	"fd_seek":                 {i32, i64, i32, i32},
	"path_create_directory":   {i32, i32, i32},
	"path_filestat_get":       {i32, i32, i32, i32, i32},
	"path_filestat_set_times": {i32, i32, i32, i32, i64, i64, i32},
	"path_open":               {i32, i32, i32, i32, i32, i64, i64, i32, i32},
	"path_remove_directory":   {i32, i32, i32},
	"path_rename":             {i32, i32, i32, i32, i32, i32},
	"path_unlink_file":        {i32, i32, i32},
	"poll_oneoff":             {i32, i32, i32, i32},
}

// instantiateWASI provides the imports of wasi_snapshot_preview1: a clock, an
// output that discards, and traps.
func instantiateWASI(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	errno := []api.ValueType{i32}
	for name, params := range wasiTraps {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(context.Context, api.Module, []uint64) {
			panic(fmt.Errorf("%w: %s", errWASI, name))
		}), params, errno).Export(name)
	}
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		panic(fmt.Errorf("%w: proc_exit(%d)", errWASI, uint32(stack[0])))
	}), []api.ValueType{i32}, nil).Export("proc_exit")
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(clockTimeGet), []api.ValueType{i32, i64, i32}, errno).Export("clock_time_get")
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(fdWrite), []api.ValueType{i32, i32, i32, i32}, errno).Export("fd_write")
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("quickjs: making the WASI imports: %w", err)
	}
	return nil
}

var processStart = time.Now()

// clockTimeGet is clock_time_get(id, precision, result): 0 is the wall clock,
// 1 the monotonic one.
func clockTimeGet(ctx context.Context, mod api.Module, stack []uint64) {
	at := time.Time{}
	if i, ok := ctx.Value(instanceKey{}).(*Instance); ok && i.Now != nil {
		at = i.Now()
	} else {
		at = time.Now()
	}
	var now int64
	switch uint32(stack[0]) {
	case 0:
		now = at.UnixNano()
	case 1:
		now = int64(at.Sub(processStart))
	default:
		stack[0] = wasiErrnoInval
		return
	}
	if !mod.Memory().WriteUint64Le(uint32(stack[2]), uint64(now)) {
		stack[0] = wasiErrnoInval
		return
	}
	stack[0] = 0
}

// fdWrite is fd_write(fd, iovs, count, written): it takes all and keeps none.
func fdWrite(_ context.Context, mod api.Module, stack []uint64) {
	iovs, count, written := uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	stack[0] = wasiErrnoInval
	if count > 1024 {
		return
	}
	vec, ok := mod.Memory().Read(iovs, count*8)
	if !ok {
		return
	}
	var n uint32
	for ; len(vec) > 0; vec = vec[8:] {
		n += binary.LittleEndian.Uint32(vec[4:])
	}
	if mod.Memory().WriteUint32Le(written, n) {
		stack[0] = 0
	}
}
