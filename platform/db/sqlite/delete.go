package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bulkhead-run/bulkhead/platform/db"
)

// DeleteTenant implements db.Engine: it ends the tenant's process and removes
// its directory.
func (e *Engine) DeleteTenant(ctx context.Context, tenant string) error {
	if !tenantName.MatchString(tenant) {
		return fmt.Errorf("%q is not a tenant's name", tenant)
	}
	e.mu.Lock()
	var last <-chan struct{}
	if k := e.known[tenant]; k != nil {
		last = k.last
	}
	w := e.open[tenant]
	delete(e.open, tenant)
	e.mu.Unlock()
	if w != nil {
		<-w.ready
		if w.process != nil {
			w.stop()
		}
	}
	if last != nil {
		select {
		case <-last:
		case <-ctx.Done():
			return db.ContextError(ctx)
		}
	}
	if err := os.RemoveAll(filepath.Join(e.o.Dir, tenant)); err != nil {
		return fmt.Errorf("the database of tenant %s: %w", tenant, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, tenant)
	return nil
}
