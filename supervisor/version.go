package supervisor

import (
	"maps"
	"slices"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Version is one version of a function: code, limits, policy, environment and
// references to secrets. It never changes.
type Version struct {
	Function
	// CodeDigest, PolicyDigest, EnvironmentDigest and AssetsDigest are SHA-256 in hexadecimal,
	// "" for what the version has none of. A policy may have changed since: the
	// one that has the name now is the one that holds.
	CodeDigest, PolicyDigest, EnvironmentDigest, AssetsDigest string
	// Secrets are the names of the tenant's secrets that the code mentions;
	// Missing are those of them that do not exist any more.
	Secrets, Missing []string
	// Aliases are the version's own, in order.
	Aliases []string
	// Weight is the share of the invocations that ask for no version, in
	// percent.
	Weight int
}

// Versions is what there is of a function.
type Versions struct {
	// Versions are in the order of their deploy, the newest first.
	Versions []Version
	// Previous is the version that was live before the one that is, "" when it
	// is gone.
	Previous string
	Split    *Split // nil when there is none
	// History is what has become of what is live, the newest last: at most 20
	// changes.
	History []Change
}

// Split shares out the invocations that ask for no version.
type Split struct {
	// Weights are versions and their shares in percent. There are two: the live
	// one and a candidate.
	Weights map[string]int
	// Rollback, if not nil, is when the split ends by itself.
	Rollback *RollbackRule
	Started  time.Time
	// Invocations and Failed are the candidate's within the rule's window.
	Invocations, Failed int
}

// RollbackRule says when a split ends by itself: all invocations go to the live
// version again.
type RollbackRule struct {
	// Errors is the share of failed invocations of the candidate in percent, 0
	// up to 100, above which the split ends. Failed is what ended as exception,
	// deadline, cpu, memory, output, policy or crashed.
	Errors float64
	// Min is how many invocations of the candidate it takes. Default 50.
	Min int
	// Window is how far back they count: 1 s up to 1 h. Default 1 min.
	Window time.Duration
}

// Change is a change of what is live.
type Change struct {
	At time.Time
	// What is "deploy", "rollback", "alias", "environment", "split", "split
	// ended" or "automatic rollback".
	What string
	// Version is the one that became live, or a split's candidate.
	Version string
	Detail  string
}

func functionOf(v *store.Version) Function {
	return Function{Tenant: v.Tenant, Function: v.Function, Version: v.Version, Shape: v.Shape, Memory: v.Memory, Timeout: v.Timeout, CPU: v.CPU,
		Concurrency: v.Concurrency, Isolation: Isolation(v.Isolation), Policy: v.Policy, Public: v.Public, Size: v.Size, Deployed: v.Deployed}
}

// version is what is told of a version.
func (s *Supervisor) version(f *store.Function, v *store.Version) Version {
	out := Version{Function: functionOf(v), CodeDigest: v.Digest, PolicyDigest: v.PolicyDigest, EnvironmentDigest: v.Environment, AssetsDigest: v.Assets,
		Secrets: slices.Clone(v.Secrets), Missing: s.missingSecrets(v)}
	for _, alias := range slices.Sorted(maps.Keys(f.Aliases)) {
		if f.Aliases[alias] == v.Version {
			out.Aliases = append(out.Aliases, alias)
		}
	}
	out.Weight = weights(f)[v.Version]
	return out
}

// weights are the shares of the versions that are live.
func weights(f *store.Function) map[string]int {
	live := f.Aliases[Live]
	switch {
	case live == "":
		return nil
	case f.Split == nil:
		return map[string]int{live: 100}
	}
	return map[string]int{live: 100 - f.Split.Weight, f.Split.Candidate: f.Split.Weight}
}

// Versions returns the versions of a function. The error's outcome is NotFound
// when there is no such tenant or function.
func (s *Supervisor) Versions(tenant, function string) (Versions, error) {
	f, err := s.store.Function(tenant, function)
	if err != nil {
		return Versions{}, s.lookupError(tenant, function, err)
	}
	out := Versions{Versions: make([]Version, 0, len(f.Versions)), Split: s.splitOf(f)}
	for _, v := range f.Versions {
		out.Versions = append(out.Versions, s.version(f, v))
	}
	if f.Version(f.Previous) != nil {
		out.Previous = f.Previous
	}
	for _, c := range f.History {
		out.History = append(out.History, Change(c))
	}
	return out, nil
}

func (s *Supervisor) splitOf(f *store.Function) *Split {
	if f.Split == nil {
		return nil
	}
	split := &Split{Weights: weights(f), Started: f.Split.Started}
	if r := f.Split.Rollback; r != nil {
		split.Rollback = &RollbackRule{r.Errors, r.Min, r.Window}
		split.Invocations, split.Failed = s.canaries.counts(f)
	}
	return split
}
