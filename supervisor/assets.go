package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bulkhead-run/bulkhead/internal/assets"
	"github.com/bulkhead-run/bulkhead/internal/store"
)

// Versions' static files are kept in memory up to this much, in bytes, a tenant's
// up to its part of it, which is no less than one version's with what of it is
// compressed beside.
const (
	maxAssetMemory       = 160 << 20
	maxTenantAssetMemory = 40 << 20
)

// Bounds of Options and of a deploy, for who reads them from a request.
const (
	MaxAssets     = assets.MaxTotal // bytes, of all files of a version with their names
	MaxAssetFiles = assets.MaxFiles
	MaxAssetName  = assets.MaxName // bytes
)

// Asset is a static file of a version.
type Asset struct {
	*assets.File
	Version string
	// Folder says that the path lacks the slash of the folder whose index.html
	// this is.
	Folder bool
}

// Asset returns the static file that is at a path of a function: an exact name,
// or a folder's index.html. path begins with a slash and is not escaped. It is nil
// when there is none, and the function is to answer. No process is started for it.
// function may name a version, as for Invoke; with a split, each request has its
// own chance. The errors are Resolve's, or Internal when the disk has lost it.
func (s *Supervisor) Asset(ctx context.Context, tenant, function, path string) (*Asset, error) {
	name, ref := splitRef(function)
	_, v, _, err := s.resolve(tenant, name, ref)
	if err != nil || v.Assets == "" {
		return nil, err
	}
	set, err := s.assetsOf(ctx, v)
	if err != nil {
		return nil, err
	}
	f, folder := set.Find(path)
	if f == nil {
		return nil, nil
	}
	return &Asset{f, v.Version, folder}, nil
}

func (s *Supervisor) assetsOf(ctx context.Context, v *store.Version) (*assets.Set, error) {
	set, err := s.assets.get(ctx, v.Tenant, v.Assets, func(ctx context.Context) ([]byte, error) {
		return s.store.Code(ctx, v.Tenant, v.Assets)
	})
	switch {
	case ctx.Err() != nil:
		return nil, contextError(v.Tenant, v.Function, ctx.Err())
	case err != nil:
		return nil, internal(v.Tenant, v.Function, "the version's assets could not be read", err)
	}
	return set, nil
}

// Public tells whether a function answers HTTP requests of anybody: the live
// version says so, and the tenant's tier allows it. The error's outcome is
// NotFound when there is no such tenant or function.
func (s *Supervisor) Public(tenant, function string) (bool, error) {
	f, err := s.store.Function(tenant, function)
	if err != nil {
		return false, s.lookupError(tenant, function, err)
	}
	live := f.Live()
	return live != nil && live.Public && !s.tierOf(tenant).NoPublic, nil
}

// maxAssetDiffs is how many files that differ are named.
const maxAssetDiffs = 50

func (s *Supervisor) assetDiff(ctx context.Context, a, b *store.Version) (fields []Difference, err error) {
	if a.Assets == b.Assets {
		return nil, nil
	}
	var sides [2]map[string]*assets.File
	for i, v := range []*store.Version{a, b} {
		if v.Assets == "" {
			continue
		}
		set, err := s.assetsOf(ctx, v)
		if err != nil {
			return nil, err
		}
		sides[i] = set.Files()
	}
	names := slices.Collect(maps.Keys(sides[0]))
	for name := range sides[1] {
		if sides[0][name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	more := 0
	for _, name := range names {
		from, to := assetText(sides[0][name]), assetText(sides[1][name])
		switch {
		case from == to:
		case len(fields) == maxAssetDiffs:
			more++
		default:
			fields = append(fields, Difference{"asset " + name, from, to})
		}
	}
	if more > 0 {
		fields = append(fields, Difference{"assets", "", fmt.Sprintf("%d more files differ", more)})
	}
	return fields, nil
}

func assetText(f *assets.File) string {
	if f == nil {
		return ""
	}
	return fmt.Sprintf("%d bytes, %s", len(f.Data), short(f.Tag))
}
