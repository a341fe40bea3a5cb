package doctor

import "github.com/bulkhead-run/bulkhead/internal/confine"

// Verdict says what a host is good for.
type Verdict string

const (
	// Hardened: a sandbox process has every layer here.
	Hardened Verdict = "hardened"
	// Degraded: it runs without a layer that is preferred, or off.
	Degraded Verdict = "degraded"
	// Unfit: a supervisor would refuse to start here.
	Unfit Verdict = "unfit"
	// Escaped: an attempt at an escape got out of a sandbox process.
	Escaped Verdict = "escaped"
)

// ExitCode is what `supervisor doctor` ends with.
func (v Verdict) ExitCode() int {
	return map[Verdict]int{Hardened: 0, Escaped: 1, Degraded: 10, Unfit: 11}[v]
}

// Layer is a layer of the lock-down on this host.
type Layer struct {
	confine.Layer
	// Kernel says what the kernel has for it.
	Kernel string `json:"kernel"`
	// Remedy says what to do about it when it is not active.
	Remedy string `json:"remedy,omitempty"`
}

// Report is all that there is to say.
type Report struct {
	Verdict Verdict `json:"verdict"`
	// Problems are why the host is unfit, if it is not for a layer.
	Problems []string `json:"problems,omitempty"`
	// Layers are those of a sandbox process that was started for it. There are
	// none when it did not start.
	Layers      []Layer `json:"layers"`
	Host        []Fact  `json:"host"`
	Data        []Fact  `json:"data"`
	Mitigations []Fact  `json:"mitigations"`
	// Attack is there when it was asked for.
	Attack *Attack `json:"attack,omitempty"`
}

// Describe adds to a process's layers what is known of the kernel.
func Describe(layers []confine.Layer) []Layer {
	list := []Layer{}
	for _, l := range layers {
		d := Layer{Layer: l, Kernel: support(l.Name)}
		if !l.Active && l.Mode != confine.Off {
			d.Remedy = confine.Remedy(l.Name)
		}
		list = append(list, d)
	}
	return list
}

// Judge sets the verdict.
func (r *Report) Judge() {
	r.Verdict = Hardened
	for _, l := range r.Layers {
		if !l.Active && r.Verdict == Hardened {
			r.Verdict = Degraded
		}
		if !l.Active && l.Mode == confine.Required {
			r.Verdict = Unfit
		}
	}
	if len(r.Problems) > 0 {
		r.Verdict = Unfit
	}
	if r.Attack != nil && r.Attack.Escapes > 0 {
		r.Verdict = Escaped
	}
}
