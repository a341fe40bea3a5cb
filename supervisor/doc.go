// Package supervisor is Bulkhead's parent process as a Go library: it keeps
// tenants and their functions, runs one sandbox process for each tenant, and
// invokes functions in them.
//
//	s, err := supervisor.New(ctx, supervisor.Options{APIs: []platform.API{greet}})
//	...
//	defer s.Close()
//	_, err = s.PutTenant(ctx, supervisor.Tenant{Name: "acme"})
//	_, err = s.Deploy(ctx, supervisor.FunctionSpec{Tenant: "acme", Function: "hello", Code: "(event) => 'hi'"})
//	result, err := s.Invoke(ctx, "acme", "hello", nil)
//
// # Who owns what
//
// A [Supervisor] owns a pool of processes. A process is a spare, owned by
// nobody, until it is assigned to a tenant; then it is that tenant's for the
// rest of its life. In a tenant's process each function version is loaded once,
// and invocations run on slots, one at a time on each. An invocation passes its
// function's gate (concurrency and queue), its tenant's home in the pool (the
// process), a loaded version and a slot, and gives them back in reverse.
//
// # What it trusts
//
// Itself, its operator and the platform APIs it was given. Not the sandbox
// processes: whatever one sends is checked, bounded and counted; a frame that
// no sandbox of ours would send has the process killed. The policy's verdict on
// each host call is made here, from the tenant's policy of that moment. Tenant
// code is never parsed or run here, not even at deploy: that is done in a
// process that is thrown away.
//
// # Errors
//
// Every method returns an [*outcome.Error] for what went wrong: its Outcome is
// one of a closed list, and package outcome says how each is shown.
package supervisor
