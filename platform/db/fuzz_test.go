package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/platform/db"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/value"
)

// blank is an engine whose statements do nothing.
type blank struct{}

func (blank) Run(_ context.Context, _ string, s db.Statement, approve db.Approve) (*db.Result, error) {
	for _, p := range s.Params {
		switch p.Value.(type) {
		case nil, bool, int64, float64, string, []byte:
		default:
			panic("a parameter of another type")
		}
	}
	return &db.Result{}, approve(db.Facts{Kinds: []string{"select"}})
}
func (blank) Begin(context.Context, string) (db.Tx, error) { return blankTx{}, nil }
func (blank) Close() error                                 { return nil }

func (blank) DeleteTenant(context.Context, string) error { return nil }

type blankTx struct{}

func (blankTx) Run(ctx context.Context, s db.Statement, approve db.Approve) (*db.Result, error) {
	return blank{}.Run(ctx, "", s, approve)
}
func (blankTx) Commit(context.Context) error { return nil }
func (blankTx) Rollback()                    {}

// Any arguments are either taken or refused with an error for the tenant.
func FuzzArguments(f *testing.F) {
	for _, text := range []string{`["SELECT ?",[1,null,"x",true]]`, `["SELECT :a",{"a":1}]`, `[[{"sql":"a","params":[1]},"b"]]`, `["begin"]`, `["commit",1]`, `[1]`, "\x00[]"} {
		f.Add([]byte(text))
	}
	d := db.New(blank{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, api := range d.APIs() {
			ctx, cancel := context.WithCancel(t.Context())
			v, err := api.Func(ctx, &platform.Call{
				Tenant: "a", Invocation: "i", Wire: wire, Life: ctx,
				Check: func(policies.Attributes) (policies.Verdict, error) { return policies.Verdict{Allowed: true}, nil },
			})
			cancel()
			var known *platform.Error
			if err != nil && !errors.As(err, &known) && !errors.Is(err, value.ErrMalformed) && !errors.Is(err, value.ErrLimit) {
				t.Errorf("%s(%q): %v", api.Name, wire, err)
			}
			if _, err := value.Encode(v); err != nil {
				t.Errorf("%s(%q) gave what cannot be sent: %v", api.Name, wire, err)
			}
		}
	})
}
