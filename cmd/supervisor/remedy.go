package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bulkhead-run/bulkhead/client"
	"github.com/bulkhead-run/bulkhead/internal/outcome"
)

// describe reads what is to be shown of an error, which always says what to try
// next.
func (t *terminal) describe(err error) failure {
	f := describe(err)
	if f.Remedy == "" {
		f.Remedy = t.remedy(err, f)
	}
	var near *misspelled
	if errors.As(err, &near) {
		f.Remedy = "did you mean " + near.meant + "? Otherwise: " + f.Remedy
	}
	return f
}

// remedy is what to try next after an error that does not say it itself.
func (t *terminal) remedy(err error, f failure) string {
	help := "see " + cmp.Or(t.command, "supervisor") + " --help"
	var u *usageError
	if errors.As(err, &u) {
		return help
	}
	var e *outcome.Error
	errors.As(err, &e)
	switch kind := outcome.Of(err); kind {
	case outcome.Invalid, outcome.TooLarge:
		if len(f.Problems) > 0 {
			return "correct what is named above, and try again; or " + help
		}
		return help
	case outcome.NotFound:
		return "see what there is: supervisor list"
	case outcome.Exception, outcome.Output, outcome.Deadline, outcome.CPU, outcome.Memory, outcome.Policy:
		if f.Tenant != "" && f.Function != "" {
			return fmt.Sprintf("correct the function and deploy it again; what it logs: supervisor logs %s/%s", f.Tenant, f.Function)
		}
		return "correct the function, and run it again"
	case outcome.Overloaded, outcome.Limited, outcome.Crashed:
		if e != nil && e.RetryAfter > 0 {
			return fmt.Sprintf("try again in %v", e.RetryAfter.Round(time.Second))
		}
		return "try again in a moment"
	case outcome.Canceled:
		return "run the command again"
	case outcome.Unauthenticated, outcome.Forbidden:
		return "use another token; supervisor help tokens says which scopes there are"
	}
	return "try again; if it fails again, look into the supervisor's log, and at what supervisor doctor says of this host"
}

// suggestionTime bounds how long the nearest name is looked for.
const suggestionTime = 2 * time.Second

// misspelled is an error about a name that does not exist, beside one that does.
type misspelled struct {
	error
	meant string
}

func (m *misspelled) Unwrap() error { return m.error }

// suggest adds the nearest name to an error about a tenant or a function that
// does not exist, as far as the caller may see names.
func suggest(ctx context.Context, api *client.Client, err error) error {
	var e *outcome.Error
	if !errors.As(err, &e) || e.Outcome != outcome.NotFound || e.Tenant == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, suggestionTime)
	defer cancel()
	functions, missing := api.Functions(ctx, e.Tenant)
	var names []string
	before, got := "", e.Tenant
	if missing == nil {
		if e.Function == "" {
			return err // something else does not exist
		}
		before, got = e.Tenant+"/", e.Function
		for _, f := range functions {
			if f.Function == e.Function {
				return err // a version
			}
			names = append(names, f.Function)
		}
	} else if tenants, denied := api.Tenants(ctx); denied == nil {
		for _, tenant := range tenants {
			names = append(names, tenant.Name)
		}
	}
	if near := nearest(got, names); near != "" && near != got {
		return &misspelled{err, before + near}
	}
	return err
}
