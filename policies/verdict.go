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

// noPolicy is the verdict where there is no policy at all.
var noPolicy = Verdict{Rule: "no policy", Reason: "there is no policy"}

// narrow makes v, the verdict of an outer level, the stricter of it and that
// of the level inside it. The quotas are left to whoever knows all levels.
func (v *Verdict) narrow(inner *Verdict) {
	outer := *v
	if inner.Action.strictness() > outer.Action.strictness() || inner.Allowed && inner.Action == outer.Action {
		*v = *inner // the rule closest to the function explains why it may
	}
	v.Private = v.Allowed && outer.Private && inner.Private
	v.PortNamed = v.Allowed && outer.PortNamed && inner.PortNamed
	v.MaxResponse = 0
	if !v.Allowed {
		return
	}
	v.MaxResponse = outer.MaxResponse
	if inner.MaxResponse > 0 && (v.MaxResponse == 0 || inner.MaxResponse < v.MaxResponse) {
		v.MaxResponse = inner.MaxResponse
	}
}
