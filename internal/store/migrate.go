package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// oldFunction is a function's record up to format 3: it held its one version.
type oldFunction struct {
	Format      int       `json:"format"`
	Tenant      string    `json:"tenant"`
	Function    string    `json:"function"`
	Version     string    `json:"version"`
	Digest      string    `json:"digest"`
	SourceMap   string    `json:"source_map,omitempty"`
	Shape       string    `json:"shape"`
	Memory      int64     `json:"memory"`
	Timeout     string    `json:"timeout"`
	Concurrency int       `json:"concurrency"`
	Isolation   string    `json:"isolation"`
	CPU         string    `json:"cpu,omitempty"`
	Policy      string    `json:"policy,omitempty"`
	Size        int64     `json:"size"`
	Deployed    time.Time `json:"deployed"`
}

const newestOldFunction = 3

// migrate takes the functions of older formats apart into a version and a
// function of which it is live, and changes found accordingly. The version is
// written first: a crash at any moment leaves the old record, or the new ones.
func (s *Store) migrate(ctx context.Context, found map[string]entry) error {
	for name, e := range found {
		k, ok := parseKey(name)
		if !ok || k.function == "" || k.version != "" || e.gone || e.err != nil {
			continue
		}
		v, f := fromOld(k, e.value)
		if v == nil {
			continue // it is of this format, or damaged
		}
		version, err := encodeVersion(v)
		if err != nil {
			continue // damaged too: what reads it says how
		}
		function, err := encodeFunction(f)
		if err != nil {
			continue
		}
		for _, r := range []struct {
			key   string
			value []byte
		}{{v.key().String(), version}, {name, function}} {
			revision, err := s.records.Put(ctx, r.key, r.value)
			if err != nil {
				return fmt.Errorf("write record %s in its new form: %w", r.key, err)
			}
			found[r.key] = entry{key: r.key, revision: revision, value: r.value}
		}
		s.log.Info("a function's record was brought to its new form", "tenant", k.tenant, "function", k.function, "version", v.Version)
	}
	return nil
}

func fromOld(k recordKey, data []byte) (*Version, *Function) {
	var r oldFunction
	if json.Unmarshal(data, &r) != nil || r.Format < 1 || r.Format > newestOldFunction || (recordKey{r.Tenant, r.Function, ""}) != k {
		return nil, nil
	}
	content := versionContent{Timeout: r.Timeout, CPU: r.CPU}
	timeout, cpu, err := content.durations()
	if err != nil {
		return nil, nil
	}
	v := &Version{Tenant: r.Tenant, Function: r.Function, Version: r.Version, Digest: r.Digest, SourceMap: r.SourceMap, Shape: r.Shape,
		Memory: r.Memory, Timeout: timeout, Concurrency: r.Concurrency, Isolation: r.Isolation, CPU: cpu, Policy: r.Policy,
		Size: r.Size, Deployed: r.Deployed.UTC()}
	f := &Function{Tenant: r.Tenant, Function: r.Function, Aliases: map[string]string{Live: r.Version}, Created: v.Deployed, Updated: v.Deployed}
	f.Note(Change{At: v.Deployed, What: "deploy", Version: r.Version})
	return v, f
}
