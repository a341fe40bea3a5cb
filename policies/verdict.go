package policies

// Verdict is the result of evaluating one host call.
type Verdict struct {
	// Action is what the deciding rule asks for. Allowed says whether the
	// call may go on: whether that is Allow or Audit.
	Action  Action
	Allowed bool
	// Policy is the policy's name. Of a narrowed policy it is the one whose
	// rule decided.
	Policy string
	// Rule names the rule that decided: "rules[2]", "compute.rules[0]" for a
	// rule of an extended policy, or "default".
	Rule string
	// Place is where that rule is written: "webhook.yaml:12".
	Place string
	// Reason is one sentence for people. It does not name the API.
	Reason string
	// Private lets fetch reach loopback, private and link-local addresses.
	Private bool
	// PortNamed means that the deciding rule has a port condition, so that an
	// API's own list of unwanted ports need not apply.
	PortNamed bool
	// MaxResponse is the most bytes of a response's body; 0 leaves it to the
	// API's own limit.
	MaxResponse int64
	// Quotas are what an allowed call must be charged to before it may go on:
	// at most one of each level of a narrowed policy, the outermost first. A
	// call that is not allowed is charged to none. The slice is shared: do
	// not change it.
	Quotas []*Quota
}

// Quota is the budget that a rule sets for the calls that it allows. What
// counts against it is the caller's to keep, by ID.
type Quota struct {
	// ID is the policy and the rule: "webhook/rules[2]". It stays the same
	// while the rule keeps its position.
	ID string `json:"id"`
	// Place is where the rule is written.
	Place string `json:"place"`
	// CallsPerInvocation is how many calls one invocation may make; 0 is no limit.
	CallsPerInvocation int64 `json:"calls_per_invocation,omitempty"`
	// CallsPerSecond refills the rate's bucket, Burst is its size (at least
	// 1); 0 is no limit.
	CallsPerSecond float64 `json:"calls_per_second,omitempty"`
	Burst          int64   `json:"burst,omitempty"`
	// BytesPerMinute is how much the calls may send and receive; 0 is no limit.
	BytesPerMinute int64 `json:"bytes_per_minute,omitempty"`
}

// noPolicy is the verdict where there is no policy at all.
var noPolicy = Verdict{Rule: "no policy", Reason: "there is no policy"}

// narrow makes v, the verdict of an outer level, the stricter of it and that
// of the level inside it.
func (v *Verdict) narrow(inner *Verdict) {
	outer := *v
	if inner.Action.strictness() > outer.Action.strictness() || inner.Allowed && inner.Action == outer.Action {
		*v = *inner // the rule closest to the function explains why it may
	}
	v.Private = v.Allowed && outer.Private && inner.Private
	v.PortNamed = v.Allowed && outer.PortNamed && inner.PortNamed
	v.MaxResponse, v.Quotas = 0, nil
	if !v.Allowed {
		return
	}
	v.MaxResponse = outer.MaxResponse
	if inner.MaxResponse > 0 && (v.MaxResponse == 0 || inner.MaxResponse < v.MaxResponse) {
		v.MaxResponse = inner.MaxResponse
	}
	switch {
	case len(inner.Quotas) == 0:
		v.Quotas = outer.Quotas
	case len(outer.Quotas) == 0:
		v.Quotas = inner.Quotas
	default:
		v.Quotas = make([]*Quota, 0, len(outer.Quotas)+len(inner.Quotas))
		v.Quotas = append(append(v.Quotas, outer.Quotas...), inner.Quotas...)
	}
}
