// Package client calls Bulkhead's HTTP API from Go. The command line tools use
// it, and so may any other program.
//
//	c, err := client.New("http://127.0.0.1:8420")
//	...
//	result, err := c.Invoke(ctx, "acme", "resize", json.RawMessage(`{"width":64}`))
//
// It trusts the supervisor it talks to, but bounds what it reads. A failure
// that the supervisor told is an *outcome.Error with the same content; so is
// one of the connection, with the outcome Internal. When the caller's context
// ends, errors.Is finds the context's error.
package client
