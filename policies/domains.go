package policies

import (
	"slices"
	"strings"
)

// anyDomain has the bits of all domains.
const anyDomain = ^uint64(0)

// candidate is a rule in an index, beside what rules most of them out for a host
// without a look at the rule itself.
type candidate struct {
	*rule
	// domains has the bits of the domains that the rule can decide about.
	domains uint64
}

// domainBit returns the one of 64 bits that stands for a host's last two labels.
func domainBit(host string) uint64 {
	at := strings.LastIndexByte(host, '.')
	if at > 0 {
		at = strings.LastIndexByte(host[:at], '.')
	}
	sum := uint32(2166136261) // FNV-1a
	for _, c := range []byte(host[at+1:]) {
		sum = (sum ^ uint32(c)) * 16777619
	}
	return 1 << ((sum ^ sum>>16) % 64)
}

// domain returns the bit of the call's host, or all bits where no condition on a
// host rules anything out.
func (a *Attributes) domain() uint64 {
	if missing(hostField, a) {
		return anyDomain
	}
	return domainBit(a.Host)
}

// domains returns the bits of the hosts that the conditions can hold for.
func (c *conditions) domains() (bits uint64) {
	if !slices.Contains(c.set, hostField) || c.hosts.any {
		return anyDomain
	}
	for _, h := range c.hosts.exact {
		bits |= domainBit(h)
	}
	for _, s := range c.hosts.suffixes {
		if strings.Count(s, ".") < 2 {
			return anyDomain // ".org" says nothing of the label before
		}
		bits |= domainBit(s)
	}
	return bits
}
