package confine

import "golang.org/x/net/bpf"

// Where struct seccomp_data has what; the halves of arguments are those of
// little-endian machines.
const (
	numberAt    = 0
	archAt      = 4
	argumentsAt = 16
)

// x32Bit marks system calls of the x32 ABI, which have amd64's architecture.
const x32Bit = 0x4000_0000

// filter is a program in the making: rule behind rule, each of which jumps only
// to its own end. So no rule depends on what another has left behind.
type filter struct{ program []bpf.Instruction }

// condition holds when the bits of an argument that are in mask are want.
type condition struct {
	index      uint32
	mask, want uint64
}

func newFilter(arch uint32) *filter {
	return &filter{[]bpf.Instruction{
		bpf.LoadAbsolute{Off: archAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		bpf.RetConstant{Val: killProcess},
		bpf.LoadAbsolute{Off: numberAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32Bit, SkipTrue: 1},
		bpf.RetConstant{Val: killProcess},
	}}
}

// rule adds what is done about a system call when all conditions hold.
func (f *filter) rule(number uint32, conditions []condition, action uint32) {
	var body []bpf.Instruction
	for _, c := range conditions {
		at := argumentsAt + 8*c.index
		body = append(body, compareHalf(at, uint32(c.mask), uint32(c.want))...)
		body = append(body, compareHalf(at+4, uint32(c.mask>>32), uint32(c.want>>32))...)
	}
	body = append(body, bpf.RetConstant{Val: action})
	for n, i := range body {
		if jump, ok := i.(bpf.JumpIf); ok {
			jump.SkipFalse = uint8(len(body) - n - 1) // 6 conditions are 37 instructions
			body[n] = jump
		}
	}
	f.program = append(f.program,
		bpf.LoadAbsolute{Off: numberAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: number, SkipFalse: uint8(len(body))})
	f.program = append(f.program, body...)
}

// compareHalf goes on when the bits in mask of a half argument are want. Where
// it goes otherwise is not said yet.
func compareHalf(at, mask, want uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: want},
	}
}

// end returns the program: what no rule has decided kills the process.
func (f *filter) end() []bpf.Instruction {
	return append(f.program, bpf.RetConstant{Val: killProcess})
}
