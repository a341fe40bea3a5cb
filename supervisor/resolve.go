package supervisor

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Live is the alias of the version that runs when none is asked for.
const Live = store.Live

// minPrefix is how much of a version's name it takes to mean it.
const minPrefix = 4

// splitRef takes "FUNCTION@REF" apart; REF is empty when there is none.
func splitRef(name string) (function, ref string) {
	function, ref, _ = strings.Cut(name, "@")
	return function, ref
}

// Resolve returns the version that an invocation would run: ref is an alias, or
// at least the first 4 digits of a version's name; empty stands for "live",
// which a split shares out by chance. The error's outcome is NotFound when there
// is no such tenant, function or version, and Invalid when more than one version
// begins so, or the version asks for more than the tenant's tier allows now.
func (s *Supervisor) Resolve(tenant, function, ref string) (Version, error) {
	f, v, _, err := s.resolve(tenant, function, ref)
	if err != nil {
		return Version{}, err
	}
	return s.version(f, v), nil
}

// resolve is Resolve on the registry's own records. judged says that a split
// chose its candidate, which is judged by how the invocation ends.
func (s *Supervisor) resolve(tenant, function, ref string) (f *store.Function, v *store.Version, judged bool, err error) {
	if f, err = s.store.Function(tenant, function); err != nil {
		return nil, nil, false, s.lookupError(tenant, function, err)
	}
	if ref == "" || ref == Live {
		if f.Split != nil && f.Candidate() != nil && rand.IntN(100) < f.Split.Weight && s.canaries.trusts(f) {
			return f, f.Candidate(), true, nil
		}
		if v = f.Live(); v == nil {
			return nil, nil, false, s.notLive(f)
		}
		return f, v, false, nil
	}
	v, err = s.named(f, ref)
	return f, v, false, err
}

// named returns the version that an alias, or the beginning of its name, means.
func (s *Supervisor) named(f *store.Function, ref string) (*store.Version, error) {
	if name, ok := f.Aliases[ref]; ok {
		if v := f.Version(name); v != nil {
			return v, nil
		}
		return nil, internal(f.Tenant, f.Function, fmt.Sprintf("the version of the alias %s cannot be read", ref), nil)
	}
	var found *store.Version
	if hexadecimal(ref) && len(ref) >= minPrefix {
		for _, v := range f.Versions {
			switch {
			case !strings.HasPrefix(v.Version, ref):
			case found != nil:
				return nil, &outcome.Error{Outcome: outcome.Invalid, Tenant: f.Tenant, Function: f.Function,
					Detail: fmt.Sprintf("more than one version begins with %s", ref), Remedy: "name more of its digits"}
			default:
				found = v
			}
		}
	}
	if found == nil {
		return nil, &outcome.Error{Outcome: outcome.NotFound, Tenant: f.Tenant, Function: f.Function,
			Detail: fmt.Sprintf("the function has no version or alias %.80q", ref),
			Remedy: fmt.Sprintf("see what there is: supervisor versions %s/%s", f.Tenant, f.Function)}
	}
	if f.Named(found.Version) {
		return found, nil
	}
	// What has a name was held against the tier when it got it, or the tenant
	// its tier.
	return found, s.fits(found)
}

// fits returns what keeps a version from being served now.
func (s *Supervisor) fits(v *store.Version) error {
	t, err := s.Tenant(v.Tenant)
	if err != nil {
		return err
	}
	problems := overTier(v, s.tier(t.Tier))
	if known := s.rules.Load().byName; v.Policy != "" && known[v.Policy] == nil {
		problems = append(problems, outcome.Problem{Field: "policy", Reason: fmt.Sprintf("there is no policy %q any more; there are %s", v.Policy, listed(known))})
	}
	if len(problems) == 0 {
		return nil
	}
	return &outcome.Error{Outcome: outcome.Invalid, Tenant: v.Tenant, Function: v.Function, Problems: problems,
		Detail: fmt.Sprintf("version %s cannot be served any more", short(v.Version)), Remedy: "deploy its code with other settings"}
}

func (s *Supervisor) notLive(f *store.Function) error {
	return &outcome.Error{Outcome: outcome.NotFound, Tenant: f.Tenant, Function: f.Function, Detail: "no version of the function is live",
		Remedy: fmt.Sprintf("make one live: supervisor alias set %s/%s live VERSION, or invoke one by its name", f.Tenant, f.Function)}
}

// ByDigits tells whether a reference names a version by its digits, rather than by
// an alias.
func ByDigits(ref string) bool { return ref != "" && hexadecimal(ref) }

func hexadecimal(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// short is a version's name as people read it.
func short(version string) string { return version[:min(len(version), 12)] }
