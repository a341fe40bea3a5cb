package supervisor

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/bulkhead-run/bulkhead/internal/outcome"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

const (
	// maxDiffed is how large each side of a file may be to be compared by line.
	maxDiffed = 256 << 10
	// maxDiff bounds the differences in code that are told, in bytes.
	maxDiff = 1 << 20
	// diffContext is how many lines are shown around a difference.
	diffContext = 3
)

// Difference is one field that differs between two versions.
type Difference struct {
	// Field is "memory", "timeout", "cpu", "concurrency", "isolation", "policy",
	// "policy_digest", "public", "secrets", "size", "asset NAME", "assets" or "env.NAME".
	Field string `json:"field"`
	// From and To are as people write them; "" for what is not there.
	From string `json:"from"`
	To   string `json:"to"`
}

// FileDiff is one source file that differs between two versions.
type FileDiff struct {
	// Name is the function's file, or a source's from the source maps.
	Name string `json:"name"`
	// Unified is the unified diff, with three lines of context. It is empty when
	// the file is too large to be compared: then Reason says so.
	Unified string `json:"unified,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Diff is how one version differs from another.
type Diff struct {
	From, To Version
	Fields   []Difference
	// Files are in order of their names: the sources that the versions' source
	// maps hold, or the deployed code when one has none, or none of them differs.
	Files []FileDiff
}

// Code returns the code of a version and its source map, "" for none. ref is
// what Resolve takes. The errors are Resolve's, or Internal when the disk has
// lost it.
func (s *Supervisor) Code(ctx context.Context, tenant, function, ref string) (code, sourceMap string, err error) {
	_, v, _, err := s.resolve(tenant, function, ref)
	if err != nil {
		return "", "", err
	}
	return s.sourcesOf(ctx, v)
}

func (s *Supervisor) sourcesOf(ctx context.Context, v *store.Version) (code, sourceMap string, err error) {
	if code, err = s.codeOf(v)(ctx); err == nil && v.SourceMap != "" {
		var text []byte
		text, err = s.store.Code(ctx, v.Tenant, v.SourceMap)
		sourceMap = string(text)
	}
	if err != nil {
		return "", "", internal(v.Tenant, v.Function, "the version's code could not be read", err)
	}
	return code, sourceMap, nil
}

// Diff compares two versions of a function: from and to are what Resolve takes,
// but that "live" stands for the version of that alias. The errors are Resolve's.
func (s *Supervisor) Diff(ctx context.Context, tenant, function, from, to string) (Diff, error) {
	f, err := s.store.Function(tenant, function)
	if err != nil {
		return Diff{}, s.lookupError(tenant, function, err)
	}
	a, err := s.compared(f, from)
	if err != nil {
		return Diff{}, err
	}
	b, err := s.compared(f, to)
	if err != nil {
		return Diff{}, err
	}
	d := Diff{From: s.version(f, a), To: s.version(f, b), Fields: []Difference{}, Files: []FileDiff{}}
	if d.Fields, err = s.fieldDiff(ctx, a, b); err != nil {
		return Diff{}, err
	}
	if a.Digest == b.Digest && a.SourceMap == b.SourceMap {
		return d, nil
	}
	select {
	case s.checks <- struct{}{}: // it takes time and memory, like a check
		defer func() { <-s.checks }()
	case <-ctx.Done():
		return Diff{}, contextError(tenant, function, ctx.Err())
	}
	d.Files, err = s.fileDiffs(ctx, a, b)
	return d, err
}

// compared is named for what may be looked at though it may not be served.
func (s *Supervisor) compared(f *store.Function, ref string) (*store.Version, error) {
	v, err := s.named(f, orDefault(ref, Live))
	if v != nil && outcome.Of(err) == outcome.Invalid {
		err = nil
	}
	return v, err
}

func (s *Supervisor) fieldDiff(ctx context.Context, a, b *store.Version) ([]Difference, error) {
	fields := []Difference{}
	add := func(field, from, to string) {
		if from != to {
			fields = append(fields, Difference{field, from, to})
		}
	}
	add("memory", formatBytes(a.Memory), formatBytes(b.Memory))
	add("timeout", a.Timeout.String(), b.Timeout.String())
	add("cpu", formatLimit(a.CPU), formatLimit(b.CPU))
	add("concurrency", strconv.Itoa(a.Concurrency), strconv.Itoa(b.Concurrency))
	add("isolation", a.Isolation, b.Isolation)
	add("policy", a.Policy, b.Policy)
	add("public", strconv.FormatBool(a.Public), strconv.FormatBool(b.Public))
	if a.Policy == b.Policy {
		add("policy_digest", short(a.PolicyDigest), short(b.PolicyDigest))
	}
	add("secrets", strings.Join(a.Secrets, ", "), strings.Join(b.Secrets, ", "))
	add("size", strconv.FormatInt(a.Size, 10), strconv.FormatInt(b.Size, 10))
	changed, err := s.assetDiff(ctx, a, b)
	if err != nil {
		return nil, err
	}
	fields = append(fields, changed...)
	if a.Environment == b.Environment {
		return fields, nil
	}
	var vars [2]variables
	for i, v := range []*store.Version{a, b} {
		var err error
		if vars[i], _, err = s.variablesOf(ctx, v); err != nil {
			return nil, internal(v.Tenant, v.Function, "the version's environment could not be read", err)
		}
	}
	all := maps.Clone(vars[0])
	if all == nil {
		all = variables{}
	}
	maps.Copy(all, vars[1])
	for _, name := range slices.Sorted(maps.Keys(all)) {
		add("env."+name, vars[0][name], vars[1][name])
	}
	return fields, nil
}

func (s *Supervisor) fileDiffs(ctx context.Context, a, b *store.Version) ([]FileDiff, error) {
	var files [2]map[string]string
	var codes [2]string
	for i, v := range []*store.Version{a, b} {
		code, sourceMap, err := s.sourcesOf(ctx, v)
		if err != nil {
			return nil, err
		}
		codes[i], files[i] = code, mappedSources(sourceMap)
	}
	if files[0] != nil && files[1] != nil {
		if diffs := compare(files[0], files[1]); len(diffs) > 0 {
			return diffs, nil
		}
	}
	name := a.Function + ".js"
	return compare(map[string]string{name: codes[0]}, map[string]string{name: codes[1]}), nil
}

func compare(before, after map[string]string) []FileDiff {
	names := slices.Sorted(maps.Keys(before))
	for name := range after {
		if _, known := before[name]; !known {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	diffs := []FileDiff{}
	room := maxDiff
	for _, name := range names {
		from, to := before[name], after[name]
		if from == to {
			continue
		}
		d := FileDiff{Name: name}
		if max(len(from), len(to)) > maxDiffed {
			d.Reason = "it is larger than " + formatBytes(maxDiffed)
		} else if text := unified(name, from, to); len(text) > room {
			d.Reason = "the differences are more than " + formatBytes(maxDiff)
		} else {
			d.Unified = text
			room -= len(text)
		}
		diffs = append(diffs, d)
	}
	return diffs
}

// formatLimit shows a limit that there may be none of.
func formatLimit(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func unified(name, from, to string) string {
	text, err := udiff.ToUnified(name, name, from, udiff.Lines(from, to), diffContext)
	if err != nil {
		return "" // the edits are its own
	}
	return text
}

// mappedSources returns the sources whose text a source map holds, by name; nil
// when there are none.
func mappedSources(sourceMap string) map[string]string {
	var m struct {
		Sources        []string  `json:"sources"`
		SourcesContent []*string `json:"sourcesContent"`
	}
	if sourceMap == "" || json.Unmarshal([]byte(sourceMap), &m) != nil || len(m.Sources) == 0 {
		return nil
	}
	files := map[string]string{}
	for i, name := range m.Sources {
		if i < len(m.SourcesContent) && m.SourcesContent[i] != nil {
			files[name] = *m.SourcesContent[i]
		}
	}
	if len(files) == 0 {
		return nil
	}
	return files
}
