// Command go is a program with a supervisor in it and a platform API that is a
// Go function.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"os"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// money is the argument of fx.convert and its result.
type money struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency" jsonschema:"EUR, USD or JPY"`
}

var perEuro = map[string]float64{"EUR": 1, "USD": 1.1, "JPY": 160}

var convert = platform.Typed("fx.toEuro", "fx.toEuro({amount, currency}): the amount in EUR",
	func(_ context.Context, call *platform.Call, m money) (money, error) {
		rate, known := perEuro[m.Currency]
		if !known {
			return money{}, platform.TypeErrorf("arguments[0].currency: there is no rate for it")
		}
		call.Emit(slog.LevelDebug, "converted for "+call.Tenant)
		return money{Amount: math.Round(m.Amount/rate*100) / 100, Currency: "EUR"}, nil
	})

const policy = `
version: 1
name: trader
extends: [compute]
rules:
  - api: fx.*
    action: allow
`

const code = `export default async ({ prices }) => {
  const euros = await Promise.all(prices.map((p) => fx.toEuro(p)));
  return euros.reduce((sum, e) => sum + e.amount, 0);
}`

// run deploys a function that calls the API, and invokes it with event.
func run(ctx context.Context, w io.Writer, sandboxBinary, event string) (err error) {
	trader, err := policies.Parse("trader.yaml", []byte(policy), nil)
	if err != nil {
		return err
	}
	s, err := supervisor.New(ctx, supervisor.Options{
		SandboxBinary: sandboxBinary,
		Logger:        slog.New(slog.DiscardHandler),
		APIs:          []platform.API{convert},
		Policies:      []*policies.Policy{trader},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.PutTenant(ctx, supervisor.Tenant{Name: "acme", Policy: "trader"}); err != nil {
		return err
	}
	if _, err := s.Deploy(ctx, supervisor.FunctionSpec{Tenant: "acme", Function: "sum", Code: code}); err != nil {
		return err
	}
	result, err := s.Invoke(ctx, "acme", "sum", json.RawMessage(event))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", result.Value)
	return err
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./examples/apis/go bin/sandbox")
	}
	event := `{"prices": [{"amount": 11, "currency": "USD"}, {"amount": 1600, "currency": "JPY"}]}`
	if err := run(context.Background(), os.Stdout, os.Args[1], event); err != nil {
		log.Fatal(err)
	}
}
