package supervisor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"

	"github.com/bulkhead-run/bulkhead/platform"
	"github.com/bulkhead-run/bulkhead/policies"
	"github.com/bulkhead-run/bulkhead/supervisor"
)

// A program with a platform API of its own: it creates a supervisor, lets a
// tenant call the API by a policy, deploys a function, invokes it and closes.
func Example() {
	ctx := context.Background()
	sandboxBinary, err := realBinary() // in a program: leave it out when "sandbox" lies beside it
	if err != nil {
		log.Fatal(err)
	}

	greet := platform.API{
		Name: "greet", // JavaScript calls greet(name), and gets a promise
		Func: func(_ context.Context, call *platform.Call) (any, error) {
			var name string
			if _, err := call.Arg(0, "name", &name); err != nil {
				return nil, err
			}
			return "Hello, " + name + "!", nil
		},
	}
	greeters, err := policies.Parse("greeters.yaml", []byte(`
version: 1
name: greeters
default: deny
rules:
  - api: greet
    action: allow
`), nil)
	if err != nil {
		log.Fatal(err)
	}
	s, err := supervisor.New(ctx, supervisor.Options{
		SandboxBinary: sandboxBinary,
		Logger:        slog.New(slog.DiscardHandler),
		APIs:          []platform.API{greet},
		Policies:      []*policies.Policy{greeters},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	if _, err := s.PutTenant(ctx, supervisor.Tenant{Name: "acme", Policy: "greeters"}); err != nil {
		log.Fatal(err)
	}
	_, err = s.Deploy(ctx, supervisor.FunctionSpec{
		Tenant:   "acme",
		Function: "hello",
		Code:     `async (event) => ({ text: await greet(event.name) })`,
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := s.Invoke(ctx, "acme", "hello", json.RawMessage(`{"name": "Ada"}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(result.Value))
	// Output: {"text":"Hello, Ada!"}
}
