// Package invoke is the platform API invoke: a function calls another function
// of the same tenant.
//
// It runs in the supervisor and starts invocations only through the Invoker
// that it is given, always for the tenant whose function calls. How deep such
// calls lie in each other, and how many stem from one invocation in all, is
// carried in the context and bounded, so that a function that calls itself
// ends. The callee's deadline is the caller's, or an earlier one.
//
// An invocation that waits for another holds its place among its function's
// running ones. Calls that wait for each other in a circle therefore end as
// overloaded or at their deadline; nothing here waits without one.
package invoke
