package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/bulkhead-run/bulkhead/internal/escape"
)

// judge tells what an attempt comes to.
type judge struct {
	rig     *rig
	program program
	world   escape.World
	has     *host // nil: layers are not judged one by one
}

func (j *judge) try(ctx context.Context, a escape.Attempt, without []string) (escape.Result, error) {
	result, err := j.rig.try(ctx, j.program, a, without, j.world)
	if err != nil {
		return result, fmt.Errorf("%s: attempt %s without %v: %w", j.program.name, a.Name, without, err)
	}
	return result, nil
}

func (j *judge) judge(ctx context.Context, a escape.Attempt) (Attempt, error) {
	t := Attempt{Name: a.Name, Group: a.Group, Does: a.Does, HeldBy: []string{}}
	full, err := j.try(ctx, a, nil)
	if err != nil {
		return t, err
	}
	t.Escaped, t.Refused = !full.Refused, full.By
	if t.Escaped {
		t.Refused, t.Note = "", full.By
		return t, nil
	}
	// It must work without them, or its refusal shows nothing.
	control, err := j.try(ctx, a, a.Layers)
	if err != nil {
		return t, err
	}
	if t.Proved = !control.Refused; !t.Proved {
		t.Note = "not possible here even without layers: " + control.By
		return t, nil
	}
	if j.has == nil {
		return t, nil
	}
	if len(a.Layers) == 1 {
		t.HeldBy = a.Layers // by the two above
		return t, nil
	}
	for _, layer := range a.Layers {
		if !j.has.stops(layer, a) {
			continue
		}
		alone, err := j.try(ctx, a, slices.DeleteFunc(slices.Clone(a.Layers), func(l string) bool { return l == layer }))
		if err != nil {
			return t, err
		}
		if alone.Refused {
			t.HeldBy = append(t.HeldBy, layer)
		} else {
			t.Weak = append(t.Weak, layer)
		}
	}
	return t, nil
}
