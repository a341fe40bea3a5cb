// Package fetch is the platform API fetch: HTTP requests on a function's
// behalf.
//
// It runs in the supervisor, which a tenant therefore can make connect to
// things. What keeps that harmless:
//
//   - Every request, and every redirect's target, passes the tenant's policy
//     under the scheme, host, port and method that are really used. A host is
//     spelled in one way only: lower case, ASCII, addresses in their usual
//     form. Other forms of addresses (0x7f000001, 127.1) are refused.
//   - The address is checked after the name is resolved, on the very socket
//     that connects, so a name that resolves differently the second time
//     gains nothing. Loopback, private, link-local and other special addresses
//     are out of reach unless the verdict says private.
//   - No proxy and no cookies of the supervisor's own environment are used, and
//     connections are kept for reuse per tenant, apart for private and public
//     verdicts. Where the operator configures a proxy, the check comes before
//     the request and the proxy connects after a look-up of its own, so that it
//     is the proxy that has to withstand a name that changes in between.
//   - Requests, responses, headers, redirects and a tenant's concurrent calls
//     are bounded, and everything ends when the call's context does.
//
// Bodies pass in pieces: a response's is read from its connection as JavaScript
// asks for it, decompressed and counted on the way; a request's is read from
// JavaScript as the connection takes it. A body that is small and there at once
// comes with the call's result. What Options.Rewrite changes is a header alone,
// right before it is sent; bodies are never looked into.
//
// A tenant cannot tell a blocked address from a host that does not exist: the
// error is the same, and only the log has the reason. Nothing that a server
// sends is trusted; it is counted, capped and handed on.
package fetch
