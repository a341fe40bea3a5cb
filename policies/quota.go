package policies

import "slices"

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

// maxJoined bounds the combinations of quotas that are made beforehand.
const maxJoined = 256

// quotaKey is the quota of each level's deciding rule, nil for none.
type quotaKey [4]*Quota

// joinQuotas makes the lists for every combination of quotas that the rules of
// several levels can come to, so that a verdict need not make one. It gives up
// on more levels, and on more combinations, than there usually are.
func joinQuotas(levels []*Policy) map[quotaKey][]*Quota {
	keys := []quotaKey{{}}
	for i, l := range levels {
		if i == len(quotaKey{}) {
			return nil
		}
		for _, k := range slices.Clone(keys) {
			for _, r := range l.rules {
				if r.quota != nil {
					k[i] = r.quota
					keys = append(keys, k)
				}
			}
			if len(keys) > maxJoined {
				return nil
			}
		}
	}
	joined := make(map[quotaKey][]*Quota, len(keys))
	for _, k := range keys {
		var list []*Quota
		for _, q := range k {
			if q != nil {
				list = append(list, q)
			}
		}
		joined[k] = list
	}
	return joined
}
