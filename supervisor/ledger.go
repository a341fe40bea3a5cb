package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead-run/bulkhead/internal/ledger"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// UsageFilter chooses what ReadUsage sums up.
type UsageFilter struct {
	// Tenant and Function choose whose; empty chooses all. A Function needs a
	// Tenant.
	Tenant, Function string
	// Since and Until are moments of the first hour that counts and of the first
	// that does not. Zero: as far back as is known, and up to now. Hours are
	// UTC's.
	Since, Until time.Time
	// By says what has a row of its own: "tenant" (the default), "function", or
	// a tenant's "day" or "hour".
	By string
}

// UsageRow is the sum of the receipts of a tenant or a function.
type UsageRow struct {
	Tenant   string
	Function string    // of rows by function
	From     time.Time // of rows by day and by hour: when that began, in UTC
	UsageTotals
}

// UsageTotals are sums of receipts.
type UsageTotals = ledger.Totals

// UsageBy are the values of UsageFilter.By.
var UsageBy = []string{"tenant", "function", "day", "hour"}

func (s *Supervisor) openLedger(dir string) (err error) {
	o := ledger.Options{Keep: s.o.UsageKeep, Logger: s.log}
	if s.temporary == "" {
		o.Dir = filepath.Join(dir, "usage")
	}
	if s.ledger, err = ledger.Open(o); err != nil {
		return &outcome.Error{Outcome: outcome.Invalid, Detail: err.Error(), Remedy: "make the data directory one that this user may write to", Err: err}
	}
	return nil
}

// maxUsageRows bounds an answer.
const maxUsageRows = 100_000

// ReadUsage sums up the receipts of the invocations that have ended, of
// functions and tenants that have been deleted, too. Rows are sorted by tenant,
// function and time. The error's outcome is Invalid when f is wrong, and TooLarge
// when the answer would have more than 100,000 rows.
func (s *Supervisor) ReadUsage(ctx context.Context, f UsageFilter) ([]UsageRow, error) {
	var problems []outcome.Problem
	f.By = orDefault(f.By, UsageBy[0])
	if !slices.Contains(UsageBy, f.By) {
		problems = append(problems, outcome.Problem{Field: "by", Reason: fmt.Sprintf("%q is none of %s", f.By, strings.Join(UsageBy, ", "))})
	}
	if f.Function != "" && f.Tenant == "" {
		problems = append(problems, outcome.Problem{Field: "function", Reason: "names a function of no tenant: choose the tenant, too"})
	}
	if f.Until.IsZero() {
		f.Until = time.Now().Add(time.Hour)
	} else if !f.Since.Before(f.Until) {
		problems = append(problems, outcome.Problem{Field: "until", Reason: "is not after since"})
	}
	if len(problems) > 0 {
		return nil, &outcome.Error{Outcome: outcome.Invalid, Detail: "the query was refused", Problems: problems}
	}
	sums := make(map[ledger.Key]*UsageTotals)
	full := false
	err := s.ledger.Read(f.Since.UTC().Truncate(time.Hour), f.Until, f.Tenant, f.Function, func(k ledger.Key, t *ledger.Totals) {
		switch f.By {
		case "tenant":
			k.Hour, k.Function = time.Time{}, ""
		case "function":
			k.Hour = time.Time{}
		case "day":
			k.Hour, k.Function = k.Hour.Truncate(24*time.Hour), ""
		case "hour":
			k.Function = ""
		}
		sum := sums[k]
		if sum == nil {
			if full = full || len(sums) >= maxUsageRows; full {
				return
			}
			sum = &UsageTotals{}
			sums[k] = sum
		}
		sum.Add(t)
	})
	if err != nil {
		return nil, internal(f.Tenant, f.Function, "the usage ledger cannot be read", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, contextError(f.Tenant, f.Function, err)
	}
	if full {
		return nil, &outcome.Error{Outcome: outcome.TooLarge, Detail: fmt.Sprintf("the answer has more than %d rows", maxUsageRows), Remedy: "ask for one tenant, or for less time"}
	}
	rows := make([]UsageRow, 0, len(sums))
	for k, sum := range sums {
		rows = append(rows, UsageRow{Tenant: k.Tenant, Function: k.Function, From: k.Hour, UsageTotals: *sum})
	}
	slices.SortFunc(rows, func(a, b UsageRow) int {
		return cmp.Or(strings.Compare(a.Tenant, b.Tenant), strings.Compare(a.Function, b.Function), a.From.Compare(b.From))
	})
	return rows, nil
}
